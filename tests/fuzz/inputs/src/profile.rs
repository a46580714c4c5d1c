//! Damage to a stored profile that its own checks let through: within a section, with lengths and the checksum put right.

use crate::random::Random;

/// Magic, format and checksum.
const HEAD: usize = 13;

/// Changes one section and writes the whole anew; what is no profile stays what it is.
pub(crate) fn accident(input: &mut Vec<u8>, random: &mut Random) {
    let Some(mut sections) = sections(input) else { return };
    let at = random.below(sections.len());
    let (_, section) = &mut sections[at];
    for _ in 0..1 + random.below(3) {
        let place = random.below(section.len() + 1);
        let edges = [0, 1, 2, 3, 4, 5, 6, 7, 0x7f, 0x80, 0xff, random.bits() as u8];
        match random.below(5) {
            0 if place < section.len() => section[place] ^= 1 << random.below(8),
            1..=2 if place < section.len() => section[place] = random.pick(&edges),
            3 => drop(section.drain(place..(place + 1 + random.below(8)).min(section.len()))),
            _ => {
                let end = (place + 1 + random.below(24)).min(section.len());
                let copy = section[place..end].to_vec();
                section.splice(place..place, copy);
            }
        }
    }
    let mut out = input[..HEAD].to_vec();
    for (tag, section) in sections {
        out.push(tag);
        out.extend((section.len() as u32).to_le_bytes());
        out.extend(section);
    }
    *input = out;
}

fn sections(input: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut rest = input.get(HEAD..)?;
    let mut sections = Vec::new();
    while let [tag, a, b, c, d, after @ ..] = rest {
        let (section, after) = after.split_at_checked(u32::from_le_bytes([*a, *b, *c, *d]) as usize)?;
        sections.push((*tag, section.to_vec()));
        rest = after;
    }
    (!sections.is_empty()).then_some(sections)
}

/// With the checksum of what it is now: a forgery, which storage never holds, but which must not trap either.
pub fn mended(mut input: Vec<u8>) -> Vec<u8> {
    if input.len() >= HEAD {
        let sum = checksum(&input[HEAD..]);
        input[HEAD - 8..HEAD].copy_from_slice(&sum.to_le_bytes());
    }
    input
}

/// The codec's, said once more, because the codec shows it to nobody; the runner holds it to profiles that are sound.
fn checksum(bytes: &[u8]) -> u64 {
    const ODD: [u64; 4] =
        [0x9e37_79b1_85eb_ca87, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x85eb_ca77_c2b2_ae63];
    let mix = |lane: u64, word: u64, odd: u64| (lane ^ word).wrapping_mul(odd).rotate_left(29);
    let length = bytes.len() as u64;
    let mut lanes = ODD.map(|odd| odd ^ length);
    let (words, rest) = bytes.as_chunks::<8>();
    let (blocks, words) = words.as_chunks::<4>();
    for block in blocks {
        for index in 0..4 {
            lanes[index] = mix(lanes[index], u64::from_le_bytes(block[index]), ODD[index]);
        }
    }
    for word in words {
        lanes[0] = mix(lanes[0], u64::from_le_bytes(*word), ODD[1]);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    lanes[1] = mix(lanes[1], u64::from_le_bytes(last), ODD[2]);
    let sum = (0..4).fold(length, |sum, index| mix(sum, lanes[index], ODD[index]));
    (sum ^ (sum >> 32)).wrapping_mul(ODD[0])
}
