//! Messages between shards, as bytes.

use super::parts::{
    id, key, optional, optional_place, place, read_key, read_optional, read_optional_place, read_place,
    read_texts, texts,
};
use super::{
    Absorb, Ask, Claim, Committed, Drop, Evicted, Forget, KeyState, Listed, Propose, Records, Repoint, Seal,
    Settle, Suppress, ToShard, Unsent,
};
use crate::message::DeliveryRow;
use crate::plane::HAS_CONTROL_PLANE;
use crate::wire::frame::{FrameReader, FrameWriter};

pub(in crate::message) fn write(w: &mut FrameWriter, message: &ToShard) {
    match message {
        ToShard::Ask(ask) => {
            w.byte(0).text(&ask.audience).long(ask.number.cast_signed());
            w.list(&ask.keys, texts);
            w.list(&ask.profiles, id);
            w.list(&ask.listed, |w, listed| {
                id(w, &listed.profile);
                id(w, &listed.pointed);
                texts(w, &listed.key);
                w.long(listed.generation.cast_signed());
            });
        }
        ToShard::Claim(claim) => {
            key(w.byte(1), &claim.key);
            w.long(claim.number.cast_signed());
            claim.expected.write(w);
            place(w.byte(u8::from(claim.holder_is_gone)), claim.to);
            w.long(claim.at_ms);
        }
        ToShard::Seal(seal) => {
            w.byte(2).text(&seal.audience).long(seal.number.cast_signed());
            id(w, &seal.intent);
            id(w, &seal.source);
            place(w, seal.into);
            optional(w, seal.person.as_deref()).long(seal.at_ms);
            w.list(&seal.known, texts);
        }
        ToShard::Absorb(absorb) => {
            w.byte(3).text(&absorb.audience).long(absorb.number.cast_signed());
            id(w, &absorb.intent);
            id(w, &absorb.source);
            place(w, absorb.into);
            w.bytes(&absorb.state).long(absorb.at_ms).list(&absorb.known, texts);
            w.list(&absorb.erased, |w, (name, at_ms)| {
                w.text(name).long(*at_ms);
            });
            w.list(&absorb.unsent, |w, send| {
                id(w, &send.id);
                w.long(send.at_ms).text(&send.message).byte(u8::from(send.delivery.is_some()));
                if let Some(row) = &send.delivery {
                    row.write(w);
                }
            });
        }
        ToShard::Propose(propose) => {
            w.byte(4).text(&propose.audience).long(propose.number.cast_signed());
            id(w, &propose.intent);
            place(w, propose.source);
            id(w.long(propose.source_created_ms), &propose.into);
            w.long(propose.at_ms);
        }
        ToShard::Repoint(repoint) => {
            id(w.byte(5).text(&repoint.audience), &repoint.hash);
            id(w, &repoint.from);
            optional_place(w, repoint.to);
            w.long(repoint.generation.cast_signed());
        }
        ToShard::Drop(drop) => {
            key(w.byte(6), &drop.key);
            id(w.long(drop.number.cast_signed()), &drop.from);
            place(w, drop.to);
            w.long(drop.generation.cast_signed()).long(drop.at_ms);
        }
        ToShard::Records(records) => {
            key(w.byte(7), &records.key);
            id(w.long(records.number.cast_signed()), &records.to);
            w.bytes(&records.carrier).long(records.at_ms);
        }
        ToShard::Due(at_ms) => {
            w.byte(8).long(*at_ms);
        }
        ToShard::Settle(settle) => {
            w.byte(9).long(settle.number.cast_signed()).bytes(&settle.message);
            w.byte(u8::from(settle.answer.is_some())).bytes(settle.answer.as_deref().unwrap_or(&[]));
            w.long(settle.at_ms);
        }
        ToShard::Suppress(suppress) => {
            w.byte(10).text(&suppress.audience).long(suppress.number.cast_signed());
            w.long(suppress.at_ms).list(&suppress.keys, texts);
        }
        ToShard::Forget(forget) => {
            w.byte(11).text(&forget.audience).list(&forget.hashes, id).list(&forget.profiles, id);
        }
        ToShard::Evicted(evicted) => {
            key(w.byte(12), &evicted.key);
            id(w, &evicted.from);
        }
        ToShard::Committed(committed) => {
            w.byte(13).text(&committed.audience).list(&committed.keys, |w, (hash, generation)| {
                id(w, hash);
                w.long(generation.cast_signed());
            });
        }
    }
}

/// True for the first byte of what the control plane answers: all but the question for stored messages, which every shard is
/// asked when it starts.
pub(in crate::message) const fn is_of_control_plane(first: u8) -> bool {
    first != 8
}

pub(in crate::message) fn read(r: &mut FrameReader<'_>) -> Option<ToShard> {
    Some(match r.byte()? {
        first if !HAS_CONTROL_PLANE && is_of_control_plane(first) => return None,
        0 => ToShard::Ask(Ask {
            audience: r.text()?.to_owned(),
            number: r.long()?.cast_unsigned(),
            keys: r.list(read_texts)?,
            profiles: r.list(FrameReader::array)?,
            listed: r.list(|r| {
                let (profile, pointed, key) = (r.array()?, r.array()?, read_texts(r)?);
                Some(Listed { profile, pointed, key, generation: r.long()?.cast_unsigned() })
            })?,
        }),
        1 => ToShard::Claim(Claim {
            key: read_key(r)?,
            number: r.long()?.cast_unsigned(),
            expected: KeyState::read(r)?,
            holder_is_gone: r.byte()? != 0,
            to: read_place(r)?,
            at_ms: r.long()?,
        }),
        2 => ToShard::Seal(Seal {
            audience: r.text()?.to_owned(),
            number: r.long()?.cast_unsigned(),
            intent: r.array()?,
            source: r.array()?,
            into: read_place(r)?,
            person: read_optional(r)?,
            at_ms: r.long()?,
            known: r.list(read_texts)?,
        }),
        3 => ToShard::Absorb(read_absorb(r)?),
        4 => ToShard::Propose(Propose {
            audience: r.text()?.to_owned(),
            number: r.long()?.cast_unsigned(),
            intent: r.array()?,
            source: read_place(r)?,
            source_created_ms: r.long()?,
            into: r.array()?,
            at_ms: r.long()?,
        }),
        5 => ToShard::Repoint(Repoint {
            audience: r.text()?.to_owned(),
            hash: r.array()?,
            from: r.array()?,
            to: read_optional_place(r)?,
            generation: r.long()?.cast_unsigned(),
        }),
        6 => ToShard::Drop(Drop {
            key: read_key(r)?,
            number: r.long()?.cast_unsigned(),
            from: r.array()?,
            to: read_place(r)?,
            generation: r.long()?.cast_unsigned(),
            at_ms: r.long()?,
        }),
        7 => ToShard::Records(Records {
            key: read_key(r)?,
            number: r.long()?.cast_unsigned(),
            to: r.array()?,
            carrier: r.bytes()?.to_vec(),
            at_ms: r.long()?,
        }),
        8 => ToShard::Due(r.long()?),
        9 => ToShard::Settle(Settle {
            number: r.long()?.cast_unsigned(),
            message: r.bytes()?.to_vec(),
            answer: {
                let given = r.byte()? != 0;
                Some(r.bytes()?.to_vec()).filter(|_| given)
            },
            at_ms: r.long()?,
        }),
        10 => ToShard::Suppress(Suppress {
            audience: r.text()?.to_owned(),
            number: r.long()?.cast_unsigned(),
            at_ms: r.long()?,
            keys: r.list(read_texts)?,
        }),
        11 => ToShard::Forget(Forget {
            audience: r.text()?.to_owned(),
            hashes: r.list(FrameReader::array)?,
            profiles: r.list(FrameReader::array)?,
        }),
        12 => ToShard::Evicted(Evicted { key: read_key(r)?, from: r.array()? }),
        13 => ToShard::Committed(Committed {
            audience: r.text()?.to_owned(),
            keys: r.list(|r| Some((r.array()?, r.long()?.cast_unsigned())))?,
        }),
        _ => return None,
    })
}

fn read_absorb(r: &mut FrameReader<'_>) -> Option<Absorb> {
    let unsent = |r: &mut FrameReader<'_>| {
        let (id, at_ms, message) = (r.array()?, r.long()?, r.text()?.to_owned());
        let delivery = if r.byte()? != 0 { Some(Box::new(DeliveryRow::read(r)?)) } else { None };
        Some(Unsent { id, at_ms, message, delivery })
    };
    Some(Absorb {
        audience: r.text()?.to_owned(),
        number: r.long()?.cast_unsigned(),
        intent: r.array()?,
        source: r.array()?,
        into: read_place(r)?,
        state: r.bytes()?.to_vec(),
        at_ms: r.long()?,
        known: r.list(read_texts)?,
        erased: r.list(|r| Some((r.text()?.to_owned(), r.long()?)))?,
        unsent: r.list(unsent)?,
    })
}
