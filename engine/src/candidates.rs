//! Candidates: the sections of a personalization whose criteria may be true in this call.
//!
//! A section whose criteria are an AND enters only where every part is true. A part that several sections share is
//! their gate: it is evaluated once, and unless it is true none of them enters. An equality that only one section has
//! demands one value of a slot, so such sections are indexed by value, and a call looks up its own value. All other
//! sections are always candidates. Sections of a key event are kept apart, so that they cost nothing when another one
//! happens.
//!
//! The index only rules sections out: the criteria of a candidate are evaluated in full, and explanations evaluate
//! every section.

use alloc::vec::Vec;
use core::ops::Bound;

use crate::bytes::{Reader, Writer};
use crate::expr::eval::{Memo, Values, fetch, is_true};
use crate::expr::op::{Op, numbers_of, whole};
use crate::expr::operand::Operand;
use crate::expr::{Node, Predicate, Program};
use crate::flat::{Flat, flat};
use crate::index::Index;
use crate::limits::{ARRAY_ITEMS_MAX, DEMANDED_SLOTS_MAX};

/// The number of sections from which a slot is indexed: finding a value costs as much as evaluating some sections.
const SECTIONS_MIN: usize = 8;

/// The number of sections from which a shared predicate becomes a gate.
const GATE_SECTIONS_MIN: usize = 6;

/// The index of one personalization's sections.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    groups: Vec<Group>,
    /// The number of blocks in a set of all sections.
    blocks: usize,
}

/// Sections with the same key event, or with none.
#[derive(Debug)]
struct Group {
    key_event: Option<usize>,
    always: Sections,
    demands: Vec<Demand>,
    gates: Vec<Gate>,
}

/// Sections that cannot enter unless a predicate is true.
#[derive(Debug)]
struct Gate {
    predicate: u32,
    sections: Sections,
}

/// Sections indexed by the value of one slot that they demand.
#[derive(Debug, Default)]
struct Demand {
    slot: u32,
    texts: Index,
    /// Ascending; booleans are 0 and 1.
    integers: Vec<(i64, usize)>,
    /// The sections of each value.
    sections: Vec<Sections>,
}

/// 128 bits of a set of section numbers: as wide as one SIMD operation.
pub(crate) type Block = [u64; 2];

/// A set of section numbers: its non-empty blocks, ascending, each with its index.
#[derive(Debug, Default)]
struct Sections(Vec<(usize, Block)>);

impl Candidates {
    /// `sections` gives each section's key event and criteria, in the order of the definition.
    pub(crate) fn new<'n>(
        program: &Program,
        sections: impl ExactSizeIterator<Item = (Option<usize>, &'n Node)>,
    ) -> Candidates {
        let blocks = sections.len().div_ceil(BITS);
        let mut groups: Vec<(Group, Vec<Open>)> = Vec::new();
        for (number, (key_event, criteria)) in sections.enumerate() {
            let mut demanded = Vec::new();
            demanded_by(criteria, &mut demanded);
            let open = Open { number, demanded };
            match groups.iter_mut().find(|(group, _)| group.key_event == key_event) {
                Some((_, sections)) => sections.push(open),
                None => {
                    let always = Sections::default();
                    let (demands, gates) = (Vec::new(), Vec::new());
                    let group = Group { key_event, always, demands, gates };
                    groups.push((group, alloc::vec![open]));
                }
            }
        }
        let groups = groups.into_iter().map(|(mut group, mut open)| {
            group.gates = Gate::all(program, &mut open);
            while group.demands.len() < DEMANDED_SLOTS_MAX
                && let Some(demand) = Demand::best(program, &mut open)
            {
                group.demands.push(demand);
            }
            open.iter().for_each(|section| group.always.add(section.number));
            group
        });
        Candidates { groups: groups.collect(), blocks }
    }

    /// The number of blocks in a set of all sections.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks
    }

    /// The sections that may enter, as bits in [`Candidates::blocks`] blocks. `happens` says whether a key event
    /// matches this call's event.
    pub(crate) fn find<'v>(
        &self,
        set: &mut [Block],
        program: &Program,
        values: &'v impl Values,
        memo: &mut Memo<'v>,
        happens: impl Fn(usize, &mut Memo<'v>) -> bool,
    ) {
        set.fill(Block::default());
        for group in &self.groups {
            if !group.key_event.is_none_or(|key_event| happens(key_event, memo)) {
                continue;
            }
            group.always.join(set);
            for demand in &group.demands {
                demand.sections_for(fetch(program, demand.slot, values, memo), |sections| sections.join(set));
            }
            for gate in &group.gates {
                if gate.sections.meet(set) && !is_true(program, gate.predicate, values, memo) {
                    gate.sections.leave(set);
                }
            }
        }
    }
}

/// The numbers in a set of bits, ascending.
pub(crate) fn numbers(set: &[Block]) -> impl Iterator<Item = usize> {
    set.as_flattened().iter().enumerate().flat_map(|(index, word)| {
        let mut rest = *word;
        core::iter::from_fn(move || {
            let bit = rest.trailing_zeros();
            // Clears the lowest bit; None when no bit is left.
            rest &= rest.checked_sub(1)?;
            Some(index.saturating_mul(WORD_BITS).saturating_add(bit as usize))
        })
    })
}

/// Sets of up to this many blocks need no allocation.
pub(crate) const FEW_BLOCKS: usize = 8;

const WORD_BITS: usize = u64::BITS as usize;
const BITS: usize = size_of::<Block>() * 8;

impl Sections {
    /// Adds a number that is not less than any before.
    fn add(&mut self, number: usize) {
        let index = number / BITS;
        if self.0.last().is_none_or(|(last, _)| *last != index) {
            self.0.push((index, Block::default()));
        }
        let word = self.0.last_mut().and_then(|(_, block)| block.get_mut(number % BITS / WORD_BITS));
        if let Some(word) = word {
            *word |= 1 << (number % WORD_BITS);
        }
    }

    fn meet(&self, set: &[Block]) -> bool {
        self.0.iter().any(|(index, block)| {
            set.get(*index)
                .is_some_and(|own| own.iter().zip(block).fold(0, |both, (a, b)| both | (a & b)) != 0)
        })
    }

    fn leave(&self, set: &mut [Block]) {
        self.each(set, |own, word| own & !word);
    }

    fn join(&self, set: &mut [Block]) {
        self.each(set, |own, word| own | word);
    }

    fn each(&self, set: &mut [Block], with: impl Fn(u64, u64) -> u64) {
        for (index, block) in &self.0 {
            if let Some(own) = set.get_mut(*index) {
                own.iter_mut().zip(block).for_each(|(own, word)| *own = with(*own, *word));
            }
        }
    }
}

/// A section that is not indexed yet, with the predicates that it could be indexed by.
struct Open {
    number: usize,
    demanded: Vec<u32>,
}

impl Gate {
    /// The predicates that several of these sections demand. Afterwards each section has only its own equalities left.
    fn all(program: &Program, open: &mut [Open]) -> Vec<Gate> {
        let mut counts = alloc::vec![0_usize; program.predicates.len()];
        for index in open.iter().flat_map(|section| &section.demanded) {
            if let Some(count) = counts.get_mut(*index as usize) {
                *count = count.saturating_add(1);
            }
        }
        let mut gates: Vec<Gate> = Vec::new();
        // By predicate: one more than the index of its gate.
        let mut known = alloc::vec![0_usize; counts.len()];
        for Open { number, demanded } in open {
            demanded.retain(|index| {
                let at = *index as usize;
                let (Some(predicate), Some(count)) = (program.predicates.get(at), counts.get(at)) else {
                    return false;
                };
                if *count < GATE_SECTIONS_MIN || !predicate.op.is_cheap() {
                    return !predicate.negated && is_equality(&predicate.op);
                }
                if let Some(known) = known.get_mut(at) {
                    if *known == 0 {
                        gates.push(Gate { predicate: *index, sections: Sections::default() });
                        *known = gates.len();
                    }
                    if let Some(gate) = known.checked_sub(1).and_then(|gate| gates.get_mut(gate)) {
                        gate.sections.add(*number);
                    }
                }
                false
            });
        }
        // Cheap gates first: the sections they rule out need no other gate.
        let is_quick = |gate: &Gate| {
            program.predicates.get(gate.predicate as usize).is_some_and(|predicate| predicate.op.is_quick())
        };
        let (mut quick, others): (Vec<Gate>, Vec<Gate>) = gates.into_iter().partition(is_quick);
        quick.extend(others);
        quick
    }
}

impl Demand {
    /// Takes out the sections that demand a value of the slot that separates the most of them, if indexing any slot
    /// pays.
    fn best(program: &Program, open: &mut Vec<Open>) -> Option<Demand> {
        if open.len() < SECTIONS_MIN {
            return None;
        }
        // By slot: how many sections, and how many questions.
        let mut counts = alloc::vec![(0_usize, 0_usize); program.slots.len()];
        let mut known = alloc::vec![false; program.predicates.len()];
        for index in open.iter().flat_map(|section| &section.demanded) {
            let slot = program.predicates.get(*index as usize).map_or(0, |predicate| predicate.slot);
            let Some((sections, questions)) = counts.get_mut(slot as usize) else { continue };
            *sections = sections.saturating_add(1);
            if let Some(known) = known.get_mut(*index as usize)
                && !*known
            {
                *known = true;
                *questions = questions.saturating_add(1);
            }
        }
        // With n questions about a slot, a visitor is assumed to miss n of n + 1 sections.
        let missed = |(sections, questions): (usize, usize)| {
            sections.saturating_mul(questions).checked_div(questions.saturating_add(1)).unwrap_or(0)
        };
        let (slot, count) = counts.into_iter().enumerate().max_by_key(|(_, count)| missed(*count))?;
        if missed(count) < SECTIONS_MIN {
            return None;
        }
        let mut demand = Demand { slot: u32::try_from(slot).ok()?, ..Demand::default() };
        open.retain(|section| {
            let mut predicates =
                section.demanded.iter().filter_map(|index| program.predicates.get(*index as usize));
            let own = predicates.find(|predicate| predicate.slot == demand.slot);
            own.inspect(|predicate| demand.add(predicate, section.number)).is_none()
        });
        Some(demand)
    }

    fn add(&mut self, predicate: &Predicate, section: usize) {
        match &predicate.op {
            Op::EqualText(text) => self.add_text(text, section),
            Op::InTexts(texts) => texts.iter().for_each(|text| self.add_text(text, section)),
            Op::Numbers { low, .. } => self.add_integer(*low, section),
            Op::InNumbers(integers, _) => integers.iter().for_each(|value| self.add_integer(value, section)),
            Op::EqualBoolean(value) => self.add_integer(i64::from(*value), section),
            // The only other predicate that demands a value: a segment.
            _ => self.add_integer(1, section),
        }
    }

    fn add_text(&mut self, text: &str, section: usize) {
        let next = self.sections.len();
        let index = self.texts.number(text, next);
        self.add_to(index, section);
    }

    fn add_integer(&mut self, value: i64, section: usize) {
        let index = match self.integers.binary_search_by_key(&value, |(known, _)| *known) {
            Ok(at) => self.integers.get(at).map_or(0, |(_, index)| *index),
            Err(at) => {
                self.integers.insert(at, (value, self.sections.len()));
                self.sections.len()
            }
        };
        self.add_to(index, section);
    }

    fn add_to(&mut self, index: usize, section: usize) {
        if index == self.sections.len() {
            self.sections.push(Sections::default());
        }
        if let Some(sections) = self.sections.get_mut(index) {
            sections.add(section);
        }
    }

    /// The sections that demand this value; a time may be written as several values.
    #[inline(always)]
    fn sections_for(&self, operand: Operand<'_>, mut found: impl FnMut(&Sections)) {
        let sections = match operand {
            Operand::Text(text) => self.texts.get(text).and_then(|index| self.sections.get(index)),
            Operand::Number(number) => whole(number).and_then(|integer| self.of_integer(integer)),
            Operand::Boolean(value) => self.of_integer(i64::from(value)),
            Operand::Instant(instant_ms) => {
                numbers_of(instant_ms).filter_map(|integer| self.of_integer(integer)).for_each(found);
                return;
            }
            Operand::List(items, types) => {
                let items = items.iter().take(ARRAY_ITEMS_MAX);
                items.for_each(|item| self.sections_for_item(Operand::of(item, types), &mut found));
                return;
            }
            Operand::Items(items, types) => {
                items.any(&mut |item| {
                    self.sections_for_item(Operand::of(item, types), &mut found);
                    false
                });
                return;
            }
            _ => None,
        };
        if let Some(sections) = sections {
            found(sections);
        }
    }

    /// The sections that demand an item of a list.
    #[inline(never)]
    fn sections_for_item(&self, item: Operand<'_>, found: &mut dyn FnMut(&Sections)) {
        let sections = match item {
            Operand::Text(text) => self.texts.get(text).and_then(|index| self.sections.get(index)),
            Operand::Number(number) => whole(number).and_then(|integer| self.of_integer(integer)),
            Operand::Boolean(value) => self.of_integer(i64::from(value)),
            Operand::Instant(instant_ms) => {
                numbers_of(instant_ms).filter_map(|integer| self.of_integer(integer)).for_each(found);
                return;
            }
            _ => None,
        };
        if let Some(sections) = sections {
            found(sections);
        }
    }

    fn of_integer(&self, integer: i64) -> Option<&Sections> {
        let at = self.integers.binary_search_by_key(&integer, |(known, _)| *known).ok()?;
        self.sections.get(self.integers.get(at)?.1)
    }
}

/// The predicates that must be true for the criteria to be true.
fn demanded_by(criteria: &Node, out: &mut Vec<u32>) {
    match criteria {
        Node::And(parts) => parts.iter().for_each(|part| demanded_by(part, out)),
        Node::Predicate(index) => out.push(*index),
        Node::Constant(_) | Node::Or(_) | Node::Not(_) | Node::Computed(_) => {}
    }
}

fn is_equality(op: &Op) -> bool {
    match op {
        Op::EqualText(_) | Op::InTexts(_) | Op::EqualBoolean(_) | Op::Segment => true,
        Op::InNumbers(_, others) => others.is_empty(),
        Op::Numbers { exact, .. } => match (exact.low, exact.high) {
            (Bound::Included(low), Bound::Included(high)) => low == high && whole(low).is_some(),
            _ => false,
        },
        _ => false,
    }
}

flat!(struct Candidates { groups, blocks });
flat!(struct Group { key_event, always, demands, gates });
flat!(struct Gate { predicate, sections });
flat!(struct Demand { slot, texts, integers, sections });

impl Flat for Sections {
    fn write(&self, w: &mut Writer) {
        self.0.write(w);
    }

    fn read(r: &mut Reader<'_>) -> Sections {
        Sections(Flat::read(r))
    }
}
