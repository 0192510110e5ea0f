//! Vectors of NEON.

use super::Lane;
use std::arch::aarch64::*;

/// Four `f32`.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct F32x4(float32x4_t);

// SAFETY: NEON belongs to every aarch64; loads and stores are of the register's width.
unsafe impl Lane for F32x4 {
    type T = f32;
    const N: usize = 4;
    const REGISTERS: usize = 32;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(unsafe { vdupq_n_f32(value) })
    }

    #[inline(always)]
    unsafe fn read(at: *const f32) -> Self {
        Self(unsafe { vld1q_f32(at) })
    }

    #[inline(always)]
    unsafe fn write(self, at: *mut f32) {
        unsafe { vst1q_f32(at, self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(unsafe { vaddq_f32(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(unsafe { vsubq_f32(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(unsafe { vmulq_f32(self.0, other.0) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(unsafe { vabsq_f32(self.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(unsafe { vmaxq_f32(self.0, other.0) })
    }

    #[inline(always)]
    fn is_zero_or_within(self, least: Self, most: Self) -> bool {
        unsafe {
            let inside = vorrq_u32(vcgeq_f32(self.0, least.0), vceqzq_f32(self.0));
            vminvq_u32(vandq_u32(inside, vcleq_f32(self.0, most.0))) > 0
        }
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        Self(unsafe { vfmaq_f32(c.0, self.0, b.0) })
    }

    #[inline(always)]
    fn neg_mul_add(self, b: Self, c: Self) -> Self {
        Self(unsafe { vfmsq_f32(c.0, self.0, b.0) })
    }

    #[inline(always)]
    fn groups([a, b, c, d]: [Self; 4]) -> [Self; 4] {
        unsafe {
            let pair = |a, b| {
                let (even, odd) = (vtrn1q_f32(a, b), vtrn2q_f32(a, b));
                (vreinterpretq_f64_f32(even), vreinterpretq_f64_f32(odd))
            };
            let ((ab02, ab13), (cd02, cd13)) = (pair(a.0, b.0), pair(c.0, d.0));
            [
                Self(vreinterpretq_f32_f64(vtrn1q_f64(ab02, cd02))),
                Self(vreinterpretq_f32_f64(vtrn1q_f64(ab13, cd13))),
                Self(vreinterpretq_f32_f64(vtrn2q_f64(ab02, cd02))),
                Self(vreinterpretq_f32_f64(vtrn2q_f64(ab13, cd13))),
            ]
        }
    }

    #[inline(always)]
    fn within(v: [Self; 4]) -> [Self; 4] {
        v
    }
}

/// Four `f64`, in two registers.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct F64x4(float64x2_t, float64x2_t);

// SAFETY: as above; both halves together are four samples.
unsafe impl Lane for F64x4 {
    type T = f64;
    const N: usize = 4;
    const REGISTERS: usize = 16;

    #[inline(always)]
    fn splat(value: f64) -> Self {
        let half = unsafe { vdupq_n_f64(value) };
        Self(half, half)
    }

    #[inline(always)]
    unsafe fn read(at: *const f64) -> Self {
        unsafe { Self(vld1q_f64(at), vld1q_f64(at.add(2))) }
    }

    #[inline(always)]
    unsafe fn write(self, at: *mut f64) {
        unsafe {
            vst1q_f64(at, self.0);
            vst1q_f64(at.add(2), self.1);
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        unsafe { Self(vaddq_f64(self.0, other.0), vaddq_f64(self.1, other.1)) }
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        unsafe { Self(vsubq_f64(self.0, other.0), vsubq_f64(self.1, other.1)) }
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        unsafe { Self(vmulq_f64(self.0, other.0), vmulq_f64(self.1, other.1)) }
    }

    #[inline(always)]
    fn abs(self) -> Self {
        unsafe { Self(vabsq_f64(self.0), vabsq_f64(self.1)) }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        unsafe { Self(vmaxq_f64(self.0, other.0), vmaxq_f64(self.1, other.1)) }
    }

    #[inline(always)]
    fn is_zero_or_within(self, least: Self, most: Self) -> bool {
        unsafe {
            let half = |x, least, most| {
                let inside = vorrq_u64(vcgeq_f64(x, least), vceqzq_f64(x));
                vandq_u64(inside, vcleq_f64(x, most))
            };
            let (a, b) = (half(self.0, least.0, most.0), half(self.1, least.1, most.1));
            vminvq_u32(vreinterpretq_u32_u64(vandq_u64(a, b))) > 0
        }
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        unsafe { Self(vfmaq_f64(c.0, self.0, b.0), vfmaq_f64(c.1, self.1, b.1)) }
    }

    #[inline(always)]
    fn neg_mul_add(self, b: Self, c: Self) -> Self {
        unsafe { Self(vfmsq_f64(c.0, self.0, b.0), vfmsq_f64(c.1, self.1, b.1)) }
    }

    #[inline(always)]
    fn groups([a, b, c, d]: [Self; 4]) -> [Self; 4] {
        unsafe {
            [
                Self(vtrn1q_f64(a.0, b.0), vtrn1q_f64(c.0, d.0)),
                Self(vtrn2q_f64(a.0, b.0), vtrn2q_f64(c.0, d.0)),
                Self(vtrn1q_f64(a.1, b.1), vtrn1q_f64(c.1, d.1)),
                Self(vtrn2q_f64(a.1, b.1), vtrn2q_f64(c.1, d.1)),
            ]
        }
    }

    #[inline(always)]
    fn within(v: [Self; 4]) -> [Self; 4] {
        v
    }
}
