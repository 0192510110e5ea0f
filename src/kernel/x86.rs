//! Vectors of AVX2 and AVX-512.

use super::Lane;
use std::arch::x86_64::*;

// One vector type of x86-64: its name, register, sample, width; the intrinsics; the shuffles.
macro_rules! x86_lane {
    (
        $(#[$doc:meta])* $name:ident($reg:ty), $t:ty, $n:literal,
        $set1:ident, $loadu:ident, $storeu:ident, $add:ident, $sub:ident, $mul:ident,
        $fmadd:ident, $fnmadd:ident, $max:ident,
        abs: |$a:ident| $abs:expr;
        between: |$x:ident, $least:ident, $most:ident| $between:expr;
        groups: |$g:ident| $groups:expr;
        within: |$w:ident| $within:expr;
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        #[repr(transparent)]
        pub struct $name($reg);

        // SAFETY: all methods run inside `avx2` or `avx512`, where the instructions exist; loads
        // and stores are of the register's width.
        unsafe impl Lane for $name {
            type T = $t;
            const N: usize = $n;
            const REGISTERS: usize = if size_of::<$reg>() == 64 { 32 } else { 16 };

            #[inline(always)]
            fn splat(value: $t) -> Self {
                Self(unsafe { $set1(value) })
            }

            #[inline(always)]
            unsafe fn read(at: *const $t) -> Self {
                Self(unsafe { $loadu(at) })
            }

            #[inline(always)]
            unsafe fn write(self, at: *mut $t) {
                unsafe { $storeu(at, self.0) }
            }

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                Self(unsafe { $add(self.0, other.0) })
            }

            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                Self(unsafe { $sub(self.0, other.0) })
            }

            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                Self(unsafe { $mul(self.0, other.0) })
            }

            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                Self(unsafe { $fmadd(self.0, b.0, c.0) })
            }

            #[inline(always)]
            fn neg_mul_add(self, b: Self, c: Self) -> Self {
                Self(unsafe { $fnmadd(self.0, b.0, c.0) })
            }

            #[inline(always)]
            fn abs(self) -> Self {
                let $a = self.0;
                Self(unsafe { $abs })
            }

            #[inline(always)]
            fn max(self, other: Self) -> Self {
                Self(unsafe { $max(self.0, other.0) })
            }

            #[inline(always)]
            fn is_zero_or_within(self, least: Self, most: Self) -> bool {
                let ($x, $least, $most) = (self.0, least.0, most.0);
                unsafe { $between }
            }

            #[inline(always)]
            fn groups([a, b, c, d]: [Self; 4]) -> [Self; 4] {
                let $g = [a.0, b.0, c.0, d.0];
                #[allow(unused_unsafe)]
                let [a, b, c, d] = unsafe { $groups };
                [Self(a), Self(b), Self(c), Self(d)]
            }

            #[inline(always)]
            fn within([a, b, c, d]: [Self; 4]) -> [Self; 4] {
                let $w = [a.0, b.0, c.0, d.0];
                #[allow(unused_unsafe)]
                let [a, b, c, d] = unsafe { $within };
                [Self(a), Self(b), Self(c), Self(d)]
            }
        }
    };
}

x86_lane! {
    /// Sixteen `f32` of AVX-512.
    F32x16(__m512), f32, 16,
    _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps, _mm512_sub_ps,
    _mm512_mul_ps, _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_max_ps,
    abs: |v| _mm512_abs_ps(v);
    between: |x, least, most| {
        let inside = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(x, least)
            | _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(x, _mm512_setzero_ps());
        inside & _mm512_cmp_ps_mask::<_CMP_LE_OQ>(x, most) == 0xffff
    };
    groups: |v| {
        let [a, b, c, d] = v;
        let (ab01, ab23) = (_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xee>(a, b));
        let (cd01, cd23) = (_mm512_shuffle_f32x4::<0x44>(c, d), _mm512_shuffle_f32x4::<0xee>(c, d));
        [
            _mm512_shuffle_f32x4::<0x88>(ab01, cd01),
            _mm512_shuffle_f32x4::<0xdd>(ab01, cd01),
            _mm512_shuffle_f32x4::<0x88>(ab23, cd23),
            _mm512_shuffle_f32x4::<0xdd>(ab23, cd23),
        ]
    };
    within: |v| {
        let [a, b, c, d] = v;
        let (ab01, ab23) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
        let (cd01, cd23) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
        [
            _mm512_shuffle_ps::<0x44>(ab01, cd01),
            _mm512_shuffle_ps::<0xee>(ab01, cd01),
            _mm512_shuffle_ps::<0x44>(ab23, cd23),
            _mm512_shuffle_ps::<0xee>(ab23, cd23),
        ]
    };
}

x86_lane! {
    /// Eight `f64` of AVX-512.
    F64x8(__m512d), f64, 8,
    _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_add_pd, _mm512_sub_pd,
    _mm512_mul_pd, _mm512_fmadd_pd, _mm512_fnmadd_pd, _mm512_max_pd,
    abs: |v| _mm512_abs_pd(v);
    between: |x, least, most| {
        let inside = _mm512_cmp_pd_mask::<_CMP_GE_OQ>(x, least)
            | _mm512_cmp_pd_mask::<_CMP_EQ_OQ>(x, _mm512_setzero_pd());
        inside & _mm512_cmp_pd_mask::<_CMP_LE_OQ>(x, most) == 0xff
    };
    groups: |v| {
        let [a, b, c, d] = v;
        let (ab01, ab23) = (_mm512_shuffle_f64x2::<0x44>(a, b), _mm512_shuffle_f64x2::<0xee>(a, b));
        let (cd01, cd23) = (_mm512_shuffle_f64x2::<0x44>(c, d), _mm512_shuffle_f64x2::<0xee>(c, d));
        [
            _mm512_shuffle_f64x2::<0x88>(ab01, cd01),
            _mm512_shuffle_f64x2::<0xdd>(ab01, cd01),
            _mm512_shuffle_f64x2::<0x88>(ab23, cd23),
            _mm512_shuffle_f64x2::<0xdd>(ab23, cd23),
        ]
    };
    within: |v| {
        let [a, b, c, d] = v;
        [
            _mm512_unpacklo_pd(a, b),
            _mm512_unpackhi_pd(a, b),
            _mm512_unpacklo_pd(c, d),
            _mm512_unpackhi_pd(c, d),
        ]
    };
}

x86_lane! {
    /// Eight `f32` of AVX2.
    F32x8(__m256), f32, 8,
    _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps, _mm256_sub_ps,
    _mm256_mul_ps, _mm256_fmadd_ps, _mm256_fnmadd_ps, _mm256_max_ps,
    abs: |v| _mm256_andnot_ps(_mm256_set1_ps(-0.0), v);
    between: |x, least, most| {
        let least = _mm256_cmp_ps::<_CMP_GE_OQ>(x, least);
        let zero = _mm256_cmp_ps::<_CMP_EQ_OQ>(x, _mm256_setzero_ps());
        let most = _mm256_cmp_ps::<_CMP_LE_OQ>(x, most);
        _mm256_movemask_ps(_mm256_and_ps(_mm256_or_ps(least, zero), most)) == 0xff
    };
    groups: |v| {
        let [a, b, c, d] = v;
        let [a, b, c, d] = transpose_pd([
            _mm256_castps_pd(a),
            _mm256_castps_pd(b),
            _mm256_castps_pd(c),
            _mm256_castps_pd(d),
        ]);
        [
            _mm256_castpd_ps(a),
            _mm256_castpd_ps(b),
            _mm256_castpd_ps(c),
            _mm256_castpd_ps(d),
        ]
    };
    within: |v| {
        let [a, b, c, d] = v;
        [
            _mm256_blend_ps::<0xaa>(a, _mm256_moveldup_ps(b)),
            _mm256_blend_ps::<0xaa>(_mm256_movehdup_ps(a), b),
            _mm256_blend_ps::<0xaa>(c, _mm256_moveldup_ps(d)),
            _mm256_blend_ps::<0xaa>(_mm256_movehdup_ps(c), d),
        ]
    };
}

x86_lane! {
    /// Four `f64` of AVX2.
    F64x4(__m256d), f64, 4,
    _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_add_pd, _mm256_sub_pd,
    _mm256_mul_pd, _mm256_fmadd_pd, _mm256_fnmadd_pd, _mm256_max_pd,
    abs: |v| _mm256_andnot_pd(_mm256_set1_pd(-0.0), v);
    between: |x, least, most| {
        let least = _mm256_cmp_pd::<_CMP_GE_OQ>(x, least);
        let zero = _mm256_cmp_pd::<_CMP_EQ_OQ>(x, _mm256_setzero_pd());
        let most = _mm256_cmp_pd::<_CMP_LE_OQ>(x, most);
        _mm256_movemask_pd(_mm256_and_pd(_mm256_or_pd(least, zero), most)) == 0xf
    };
    groups: |v| transpose_pd(v);
    within: |v| v;
}

/// Transposes four vectors of four 64-bit elements.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_pd([a, b, c, d]: [__m256d; 4]) -> [__m256d; 4] {
    let (ab02, ab13) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
    let (cd02, cd13) = (_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
    [
        _mm256_permute2f128_pd::<0x20>(ab02, cd02),
        _mm256_permute2f128_pd::<0x20>(ab13, cd13),
        _mm256_permute2f128_pd::<0x31>(ab02, cd02),
        _mm256_permute2f128_pd::<0x31>(ab13, cd13),
    ]
}
