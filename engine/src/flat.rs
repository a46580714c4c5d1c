//! The bytes of a plan, and of its part for devices: plain data in the order of its fields, written by one build for its own
//! engine.
//!
//! Nobody stores or migrates them (the hash of a device's program names the engine, too), so a field needs no number and no
//! default.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Bound;

use crate::bytes::{Reader, Writer};
use crate::value::{DataType, Number, Value};

/// Data with bytes. Reading follows [`Reader`]: where the bytes do not fit, it notes that and goes on with zeros.
pub(crate) trait Flat: Sized {
    fn write(&self, w: &mut Writer);
    fn read(r: &mut Reader<'_>) -> Self;
}

/// Implements [`Flat`] for a struct by its fields, and for an enum by its variants, each with its number. The variant of
/// number 0 stands for what cannot be read, so it must contain nothing of its own enum.
macro_rules! flat {
    (struct $name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::flat::Flat for $name {
            fn write(&self, w: &mut $crate::bytes::Writer) {
                $( $crate::flat::Flat::write(&self.$field, w); )*
            }
            fn read(r: &mut $crate::bytes::Reader<'_>) -> Self {
                $name { $( $field: $crate::flat::Flat::read(r) ),* }
            }
        }
    };
    (enum $name:ident {
        $( $number:literal = $variant:ident $( ( $($item:ident),+ ) )? $( { $($field:ident),+ $(,)? } )? ),+ $(,)?
    }) => {
        impl $crate::flat::Flat for $name {
            fn write(&self, w: &mut $crate::bytes::Writer) {
                match self {
                    $( $name::$variant $( ( $($item),+ ) )? $( { $($field),+ } )? => {
                        w.byte($number);
                        $( $( $crate::flat::Flat::write($item, w); )+ )?
                        $( $( $crate::flat::Flat::write($field, w); )+ )?
                    } )+
                }
            }
            fn read(r: &mut $crate::bytes::Reader<'_>) -> Self {
                match r.byte() {
                    $( $number => {
                        $( $( let $item = $crate::flat::Flat::read(r); )+ )?
                        $( $( let $field = $crate::flat::Flat::read(r); )+ )?
                        $name::$variant $( ( $($item),+ ) )? $( { $($field),+ } )?
                    } )+
                    _ => {
                        r.fail("a part is of an unknown kind");
                        $crate::flat::Flat::read(r)
                    }
                }
            }
        }
    };
}
pub(crate) use flat;

impl Flat for bool {
    fn write(&self, w: &mut Writer) {
        w.byte(u8::from(*self));
    }

    fn read(r: &mut Reader<'_>) -> bool {
        r.byte() != 0
    }
}

impl Flat for usize {
    fn write(&self, w: &mut Writer) {
        w.count(*self);
    }

    fn read(r: &mut Reader<'_>) -> usize {
        whole(r)
    }
}

impl Flat for u16 {
    fn write(&self, w: &mut Writer) {
        w.unsigned(u64::from(*self));
    }

    fn read(r: &mut Reader<'_>) -> u16 {
        whole(r)
    }
}

impl Flat for u32 {
    fn write(&self, w: &mut Writer) {
        w.unsigned(u64::from(*self));
    }

    fn read(r: &mut Reader<'_>) -> u32 {
        whole(r)
    }
}

fn whole<T: TryFrom<u64> + Default>(r: &mut Reader<'_>) -> T {
    T::try_from(r.unsigned()).unwrap_or_else(|_| {
        r.fail("a number is too large");
        T::default()
    })
}

impl Flat for u64 {
    /// Hashes and masks have no short form.
    fn write(&self, w: &mut Writer) {
        w.bytes(&self.to_le_bytes());
    }

    fn read(r: &mut Reader<'_>) -> u64 {
        r.hash()
    }
}

impl Flat for i64 {
    fn write(&self, w: &mut Writer) {
        w.signed(*self);
    }

    fn read(r: &mut Reader<'_>) -> i64 {
        r.signed()
    }
}

impl Flat for char {
    fn write(&self, w: &mut Writer) {
        w.unsigned(u64::from(u32::from(*self)));
    }

    fn read(r: &mut Reader<'_>) -> char {
        char::from_u32(whole(r)).unwrap_or_else(|| {
            r.fail("a character is none");
            char::REPLACEMENT_CHARACTER
        })
    }
}

impl Flat for String {
    fn write(&self, w: &mut Writer) {
        w.text(self);
    }

    fn read(r: &mut Reader<'_>) -> String {
        r.text()
    }
}

impl Flat for Box<str> {
    fn write(&self, w: &mut Writer) {
        w.text(self);
    }

    fn read(r: &mut Reader<'_>) -> Box<str> {
        r.shown().into()
    }
}

impl Flat for Value {
    fn write(&self, w: &mut Writer) {
        w.value(self);
    }

    fn read(r: &mut Reader<'_>) -> Value {
        r.constant()
    }
}

flat!(enum DataType {
    0 = String,
    1 = Number,
    2 = Boolean,
    3 = Timestamp,
    4 = Date,
    5 = StringArray,
    6 = NumberArray,
});

impl Flat for Number {
    fn write(&self, w: &mut Writer) {
        w.value(&Value::Number(*self));
    }

    fn read(r: &mut Reader<'_>) -> Number {
        r.value().as_number().unwrap_or_else(|| {
            r.fail("a number is none");
            Number::Integer(0)
        })
    }
}

impl<T: Flat> Flat for Vec<T> {
    fn write(&self, w: &mut Writer) {
        w.list(self, |w, item| item.write(w));
    }

    fn read(r: &mut Reader<'_>) -> Vec<T> {
        r.many(T::read)
    }
}

impl<T: Flat> Flat for Box<[T]> {
    fn write(&self, w: &mut Writer) {
        w.list(self, |w, item| item.write(w));
    }

    fn read(r: &mut Reader<'_>) -> Box<[T]> {
        r.many(T::read).into()
    }
}

impl<T: Flat> Flat for Box<T> {
    fn write(&self, w: &mut Writer) {
        (**self).write(w);
    }

    fn read(r: &mut Reader<'_>) -> Box<T> {
        Box::new(T::read(r))
    }
}

impl<T: Flat> Flat for Option<T> {
    fn write(&self, w: &mut Writer) {
        w.optional(self.as_ref(), |w, item| item.write(w));
    }

    fn read(r: &mut Reader<'_>) -> Option<T> {
        r.optional(T::read)
    }
}

impl<A: Flat, B: Flat> Flat for (A, B) {
    fn write(&self, w: &mut Writer) {
        self.0.write(w);
        self.1.write(w);
    }

    fn read(r: &mut Reader<'_>) -> (A, B) {
        (A::read(r), B::read(r))
    }
}

impl Flat for [u64; 2] {
    fn write(&self, w: &mut Writer) {
        self.iter().for_each(|word| word.write(w));
    }

    fn read(r: &mut Reader<'_>) -> [u64; 2] {
        [r.hash(), r.hash()]
    }
}

impl<T: Flat> Flat for Bound<T> {
    fn write(&self, w: &mut Writer) {
        let (number, end) = match self {
            Bound::Unbounded => (0, None),
            Bound::Included(end) => (1, Some(end)),
            Bound::Excluded(end) => (2, Some(end)),
        };
        w.byte(number);
        if let Some(end) = end {
            end.write(w);
        }
    }

    fn read(r: &mut Reader<'_>) -> Bound<T> {
        match r.byte() {
            0 => Bound::Unbounded,
            1 => Bound::Included(T::read(r)),
            2 => Bound::Excluded(T::read(r)),
            _ => {
                r.fail("an end is of an unknown kind");
                Bound::Unbounded
            }
        }
    }
}
