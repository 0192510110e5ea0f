//! Vectors of plain Rust, for every CPU.

use super::{Lane, Scalar};

/// Four samples in an array.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct Plain<T>([T; 4]);

// Lane by lane, without loops or closures: so the compiler sees vectors.
macro_rules! each {
    (|$i:ident| $value:expr) => {
        Plain([
            {
                const $i: usize = 0;
                $value
            },
            {
                const $i: usize = 1;
                $value
            },
            {
                const $i: usize = 2;
                $value
            },
            {
                const $i: usize = 3;
                $value
            },
        ])
    };
}

// Where FMA is not an instruction of the baseline it would be a slow library call.
const PLAIN_FMA: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

// SAFETY: arrays of four are read and written whole; parts go sample by sample.
unsafe impl<T: Scalar> Lane for Plain<T> {
    type T = T;
    const N: usize = 4;
    const REGISTERS: usize = 16;

    #[inline(always)]
    fn splat(value: T) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    unsafe fn read(at: *const T) -> Self {
        Self(unsafe { at.cast::<[T; 4]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn write(self, at: *mut T) {
        unsafe { at.cast::<[T; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        each!(|I| self.0[I] + other.0[I])
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        each!(|I| self.0[I] - other.0[I])
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        each!(|I| self.0[I] * other.0[I])
    }

    #[inline(always)]
    fn abs(self) -> Self {
        each!(|I| self.0[I].abs())
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        each!(|I| if self.0[I] > other.0[I] {
            self.0[I]
        } else {
            other.0[I]
        })
    }

    #[inline(always)]
    fn is_zero_or_within(self, least: Self, most: Self) -> bool {
        let Plain([a, b, c, d]) = each!(|I| {
            let x = self.0[I];
            (x == T::zero()) | ((x >= least.0[I]) & (x <= most.0[I]))
        });
        a & b & c & d
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        if PLAIN_FMA {
            each!(|I| self.0[I].mul_add(b.0[I], c.0[I]))
        } else {
            each!(|I| self.0[I] * b.0[I] + c.0[I])
        }
    }

    #[inline(always)]
    fn neg_mul_add(self, b: Self, c: Self) -> Self {
        if PLAIN_FMA {
            each!(|I| (T::default() - self.0[I]).mul_add(b.0[I], c.0[I]))
        } else {
            each!(|I| c.0[I] - self.0[I] * b.0[I])
        }
    }

    #[inline(always)]
    fn groups([a, b, c, d]: [Self; 4]) -> [Self; 4] {
        [
            Self([a.0[0], b.0[0], c.0[0], d.0[0]]),
            Self([a.0[1], b.0[1], c.0[1], d.0[1]]),
            Self([a.0[2], b.0[2], c.0[2], d.0[2]]),
            Self([a.0[3], b.0[3], c.0[3], d.0[3]]),
        ]
    }

    #[inline(always)]
    fn within(v: [Self; 4]) -> [Self; 4] {
        v
    }
}
