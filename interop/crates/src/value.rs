//! The values of fields: as text that both sides can compare, and drawn at random.
//!
//! A number is its decimals, an F32 the number of its bits, bytes (strings too) are hexadecimal in quotes, a list is in brackets, an
//! empty option is null.

use std::fmt::Write;

use binary_sv2::{
    B016MOwned, B0255Owned, B032Owned, B064KOwned, Seq0255Owned, Seq064KOwned, Sv2OptionOwned, U256Owned,
};
use common_messages_sv2::Protocol;

use crate::random::Source;

pub trait Value: Sized {
    /// The most bytes that it takes on the wire when it is one of a list, where room has to be left for it.
    const SIZE: usize;
    fn show(&self, out: &mut String);
    fn draw(source: &mut Source) -> Self;
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Value for $type {
            const SIZE: usize = size_of::<$type>();
            fn show(&self, out: &mut String) {
                write!(out, "{self}").expect("a String takes all");
            }
            fn draw(source: &mut Source) -> Self {
                source.number(8 * Self::SIZE as u32) as $type
            }
        }
    )*};
}
numbers!(u8 u16 u32 u64);

impl Value for bool {
    const SIZE: usize = 1;
    fn show(&self, out: &mut String) {
        out.push_str(if *self { "true" } else { "false" });
    }
    fn draw(source: &mut Source) -> Self {
        source.one_in(2)
    }
}

impl Value for f32 {
    const SIZE: usize = 4;
    fn show(&self, out: &mut String) {
        self.to_bits().show(out);
    }
    /// Of what is no number there is one: others have bits that JavaScript does not keep.
    fn draw(source: &mut Source) -> Self {
        let number = f32::from_bits(source.number(32) as u32);
        if number.is_nan() {
            f32::from_bits(0x7fc0_0000)
        } else {
            number
        }
    }
}

impl Value for Protocol {
    const SIZE: usize = 1;
    fn show(&self, out: &mut String) {
        (*self as u8).show(out);
    }
    fn draw(source: &mut Source) -> Self {
        match source.below(3) {
            0 => Protocol::MiningProtocol,
            1 => Protocol::JobDeclarationProtocol,
            _ => Protocol::TemplateDistributionProtocol,
        }
    }
}

fn show_bytes(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(2 * bytes.len() + 2);
    out.push('"');
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)] as char);
        out.push(DIGITS[usize::from(byte & 15)] as char);
    }
    out.push('"');
}

impl Value for U256Owned {
    const SIZE: usize = 32;
    fn show(&self, out: &mut String) {
        show_bytes(self.as_bytes(), out);
    }
    fn draw(source: &mut Source) -> Self {
        Self::new(source.bytes(32)).expect("32 bytes")
    }
}

/// The crates have one type for B0_255 and STR0_255; `size` is what is left for each of a list.
macro_rules! byte_strings {
    ($($type:ty, $max:expr, $size:expr;)*) => {$(
        impl Value for $type {
            const SIZE: usize = $size;
            fn show(&self, out: &mut String) {
                show_bytes(self.as_bytes(), out);
            }
            fn draw(source: &mut Source) -> Self {
                let length = source.length($max, 1);
                let mut bytes = source.bytes(length);
                if source.one_in(2) {
                    bytes.iter_mut().for_each(|byte| *byte = 0x20 + (*byte % 0x5f));
                }
                Self::new(bytes).expect("no more than its type allows")
            }
        }
    )*};
}
byte_strings! {
    B032Owned, 32, 33;
    B0255Owned, 255, 256;
    B064KOwned, 0xffff, 0x10001;
    B016MOwned, 0xff_ffff, 64;
}

fn show_list<T: Value>(items: &[T], out: &mut String) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        item.show(out);
    }
    out.push(']');
}

macro_rules! lists {
    ($($type:ident, $max:expr;)*) => {$(
        impl<T: Value> Value for $type<T> {
            const SIZE: usize = 0;
            fn show(&self, out: &mut String) {
                show_list(self.as_slice(), out);
            }
            fn draw(source: &mut Source) -> Self {
                let count = source.length($max, T::SIZE);
                Self::new((0..count).map(|_| T::draw(source)).collect()).expect("no more than its type allows")
            }
        }
    )*};
}
lists! {
    Seq0255Owned, 255;
    Seq064KOwned, 0xffff;
}

impl<T: Value + Clone> Value for Sv2OptionOwned<T> {
    const SIZE: usize = 0;
    fn show(&self, out: &mut String) {
        match self.clone().into_inner() {
            Some(value) => value.show(out),
            None => out.push_str("null"),
        }
    }
    fn draw(source: &mut Source) -> Self {
        Self::new(if source.one_in(3) { None } else { Some(T::draw(source)) })
    }
}
