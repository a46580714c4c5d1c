//! The bytes of compiled expressions, in plans for a module without the compiler.

use super::{Calc, HAS_EXPRESSIONS, Link, Several, Tested, Unary};
use crate::bytes::{Reader, Writer};
use crate::flat::{Flat, flat};
use crate::syntax::Arithmetic;

fn write(calc: &Calc, w: &mut Writer) {
    let mut tag = |tag: u8| w.byte(tag);
    match calc {
        Calc::Missing => tag(0),
        Calc::Constant(value) => {
            tag(1);
            value.write(w);
        }
        Calc::Slot(slot) => {
            tag(2);
            slot.write(w);
        }
        Calc::Shown(slot) => {
            tag(3);
            slot.write(w);
        }
        Calc::Now => tag(4),
        Calc::Of(function, part) => {
            tag(5);
            function.write(w);
            part.write(w);
        }
        Calc::Chain(first, links) => {
            if let [Link::With(sign, right)] = &**links {
                // One sign has a shorter form, which older modules read, too.
                tag(6);
                sign.write(w);
                first.write(w);
                return right.write(w);
            }
            tag(11);
            first.write(w);
            links.write(w);
        }
        Calc::Call(function, arguments, types) => {
            tag(7);
            function.write(w);
            arguments.write(w);
            types.write(w);
        }
        Calc::Case(branches, otherwise) => {
            tag(8);
            branches.write(w);
            otherwise.write(w);
        }
        Calc::Switch(of, branches, otherwise, types) => {
            tag(9);
            of.write(w);
            branches.write(w);
            otherwise.write(w);
            types.write(w);
        }
        Calc::Truth(condition) => {
            tag(10);
            condition.write(w);
        }
    }
}

fn read(r: &mut Reader<'_>) -> Calc {
    match r.byte() {
        0 => Calc::Missing,
        1 => Calc::Constant(Flat::read(r)),
        2 => Calc::Slot(Flat::read(r)),
        3 => Calc::Shown(Flat::read(r)),
        4 => Calc::Now,
        5 => Calc::Of(Flat::read(r), Flat::read(r)),
        6 => Calc::arithmetic(Flat::read(r), Flat::read(r), Flat::read(r)),
        7 => Calc::Call(Flat::read(r), Flat::read(r), Flat::read(r)),
        8 => Calc::Case(Flat::read(r), Flat::read(r)),
        9 => Calc::Switch(Flat::read(r), Flat::read(r), Flat::read(r), Flat::read(r)),
        10 => Calc::Truth(Flat::read(r)),
        11 => Calc::Chain(Flat::read(r), Flat::read(r)),
        _ => {
            r.fail("an expression is of an unknown kind");
            Calc::Missing
        }
    }
}

flat!(enum Tested {
    0 = Op { left, op, negated },
    1 = Compare { comparison, sides, types },
    2 = In { left, values, types, negated },
    3 = AnyOf { sides, types },
});

flat!(enum Link { 0 = Of(function), 1 = With(sign, value) });
flat!(enum Arithmetic { 0 = Join, 1 = Add, 2 = Subtract, 3 = Multiply, 4 = Divide, 5 = Remainder });
flat!(enum Several { 0 = Coalesce, 1 = Concat, 2 = Greatest, 3 = Least, 4 = Round, 5 = Substr });
flat!(enum Unary {
    0 = Negative,
    1 = Milliseconds,
    2 = Day,
    3 = Time,
    4 = Absolute,
    5 = Hash,
    6 = Length,
    7 = Lower,
    8 = Size,
    9 = Upper,
});

impl Flat for [Calc; 2] {
    fn write(&self, w: &mut Writer) {
        self.iter().for_each(|side| side.write(w));
    }

    fn read(r: &mut Reader<'_>) -> [Calc; 2] {
        [Calc::read(r), Calc::read(r)]
    }
}

impl Flat for Calc {
    fn write(&self, w: &mut Writer) {
        write(self, w);
    }

    fn read(r: &mut Reader<'_>) -> Calc {
        if !HAS_EXPRESSIONS {
            r.fail("this build calculates no expressions");
            return Calc::Missing;
        }
        r.nested(read).unwrap_or(Calc::Missing)
    }
}
