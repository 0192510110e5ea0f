//! Vectors of samples and the choice of CPU at run time; the only `unsafe` there is.
//!
//! An algorithm is written once, as a [`Body`] that is generic over a [`Lane`] type, in safe code;
//! [`run`] compiles it once per CPU and calls the fitting copy. What is unsafe about that is kept
//! small and stays here and in the files of the vector types: calling a CPU's instructions, which the existence of a [`Cpu`] value
//! vouches for, and reaching into slices without a check per access, for which [`Rows`] and
//! [`RowsMut`] check their whole reach once.

use num_traits::{Float, FloatConst};
use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

#[cfg(target_arch = "aarch64")]
mod neon;
mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
use neon::{F32x4, F64x4};
use plain::Plain;
#[cfg(target_arch = "x86_64")]
use x86::{F32x8, F32x16, F64x4, F64x8};

// ---------------------------------------------------------------------------------------------
// The choice of CPU

/// An instruction set that this machine has been seen to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu(Set);

// In rising order: each set includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Portable,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Set::Portable => "portable",
            #[cfg(target_arch = "aarch64")]
            Set::Neon => "NEON",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "AVX-512",
        })
    }
}

impl Cpu {
    /// Plain Rust on arrays: runs everywhere.
    pub const PORTABLE: Cpu = Cpu(Set::Portable);

    /// The best that this machine has.
    pub fn detect() -> Self {
        *Self::available()
            .last()
            .expect("there is always the portable one")
    }

    /// All that this machine has, from the plainest to the best.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut all = vec![Self::PORTABLE];
        // Part of every aarch64.
        #[cfg(target_arch = "aarch64")]
        all.push(Self(Set::Neon));
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            all.push(Self(Set::Avx2));
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                all.push(Self(Set::Avx512));
            }
        }
        all
    }

    /// Samples in one vector.
    pub fn lanes<T: Vectors>(self) -> usize {
        match self.0 {
            Set::Portable => T::Portable::N,
            #[cfg(target_arch = "aarch64")]
            Set::Neon => T::Neon::N,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => T::Avx2::N,
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => T::Avx512::N,
        }
    }

    /// Vector registers, as its kernels see them.
    pub(crate) fn registers<T: Vectors>(self) -> usize {
        match self.0 {
            Set::Portable => T::Portable::REGISTERS,
            #[cfg(target_arch = "aarch64")]
            Set::Neon => T::Neon::REGISTERS,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => T::Avx2::REGISTERS,
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => T::Avx512::REGISTERS,
        }
    }

    /// The best set up to this one whose vectors have at most `lanes` samples.
    pub fn at_most<T: Vectors>(self, lanes: usize) -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if self.0 == Set::Avx512 && T::Avx512::N > lanes {
                return Self(Set::Avx2).at_most::<T>(lanes);
            }
            if self.0 == Set::Avx2 && T::Avx2::N > lanes {
                return Self::PORTABLE;
            }
        }
        let _ = lanes;
        self
    }
}

/// An algorithm, written once for vectors of any width.
///
/// `run` and all that it calls must be `#[inline(always)]`, so that it is compiled with the
/// instructions of the CPU it is called for.
pub trait Body<T: Scalar> {
    fn run<L: Lane<T = T>>(self);
}

/// Runs `body` with the instructions of `cpu`.
#[inline]
pub fn run<T: Vectors>(cpu: Cpu, body: impl Body<T>) {
    match cpu.0 {
        Set::Portable => portable(body),
        #[cfg(target_arch = "aarch64")]
        Set::Neon => neon(body),
        // SAFETY: a `Cpu` other than the portable one is only made after the machine was asked.
        #[cfg(target_arch = "x86_64")]
        Set::Avx2 => unsafe { avx2(body) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Set::Avx512 => unsafe { avx512(body) },
    }
}

// Of its own, as the others are, so that callers stay small.
#[inline(never)]
fn portable<T: Vectors>(body: impl Body<T>) {
    body.run::<T::Portable>()
}

#[cfg(target_arch = "aarch64")]
#[inline(never)]
fn neon<T: Vectors>(body: impl Body<T>) {
    body.run::<T::Neon>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<T: Vectors>(body: impl Body<T>) {
    body.run::<T::Avx2>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
fn avx512<T: Vectors>(body: impl Body<T>) {
    body.run::<T::Avx512>()
}

// ---------------------------------------------------------------------------------------------
// Vectors

/// What vectors are made of: `f32` or `f64`.
pub trait Scalar: Float + FloatConst + Default + Debug + Send + Sync + 'static {}

impl Scalar for f32 {}
impl Scalar for f64 {}

/// The vector types of a sample type.
pub trait Vectors: Scalar {
    type Portable: Lane<T = Self>;
    #[cfg(target_arch = "aarch64")]
    type Neon: Lane<T = Self>;
    #[cfg(target_arch = "x86_64")]
    type Avx2: Lane<T = Self>;
    #[cfg(target_arch = "x86_64")]
    type Avx512: Lane<T = Self>;
}

impl Vectors for f32 {
    type Portable = Plain<f32>;
    #[cfg(target_arch = "aarch64")]
    type Neon = F32x4;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = F32x8;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = F32x16;
}

impl Vectors for f64 {
    type Portable = Plain<f64>;
    #[cfg(target_arch = "aarch64")]
    type Neon = F64x4;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = F64x4;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = F64x8;
}

/// A vector of `N` samples in a register; `N` is 4, 8 or 16.
///
/// # Safety
/// `read` and `write` touch exactly `N` samples.
pub unsafe trait Lane: Copy {
    type T: Scalar;
    const N: usize;
    /// Vector registers of the CPU.
    const REGISTERS: usize;

    fn splat(value: Self::T) -> Self;

    /// # Safety
    /// `N` samples can be read at `at`, and the CPU has the instructions.
    unsafe fn read(at: *const Self::T) -> Self;
    /// # Safety
    /// `N` samples can be written at `at`, and the CPU has the instructions.
    unsafe fn write(self, at: *mut Self::T);

    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    /// `self * b + c`, in one rounding where the CPU can.
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// `c - self * b`, in one rounding where the CPU can.
    fn neg_mul_add(self, b: Self, c: Self) -> Self;

    /// The magnitude.
    fn abs(self) -> Self;
    /// The larger one; where one is NaN, either.
    fn max(self, other: Self) -> Self;
    /// Whether in every lane this is zero, or from `least` to `most`; NaN is none of that.
    fn is_zero_or_within(self, least: Self, most: Self) -> bool;

    /// Transposes groups of `N / 4` lanes: group g of vector v goes to group v of vector g.
    fn groups(v: [Self; 4]) -> [Self; 4];
    /// Transposes lanes within these groups, among 4 vectors (N = 16) or in both pairs (N = 8).
    fn within(v: [Self; 4]) -> [Self; 4];
}

// ---------------------------------------------------------------------------------------------
// Memory

/// Rows of vectors in a slice, a fixed stride apart. Their reach is checked when they are made.
#[derive(Clone, Copy)]
pub struct Rows<'a, L: Lane> {
    base: *const L::T,
    stride: usize,
    rows: usize,
    columns: usize,
    slice: PhantomData<&'a [L::T]>,
}

impl<'a, L: Lane> Rows<'a, L> {
    /// Row r starts at sample `start + r * stride` and has `columns` vectors.
    #[inline(always)]
    pub fn new(
        slice: &'a [L::T],
        start: usize,
        stride: usize,
        rows: usize,
        columns: usize,
    ) -> Self {
        assert!(start + (rows - 1) * stride + columns * L::N <= slice.len());
        // SAFETY: within the slice, by the line above.
        let base = unsafe { slice.as_ptr().add(start) };
        Self {
            base,
            stride,
            rows,
            columns,
            slice: PhantomData,
        }
    }

    #[inline(always)]
    pub fn get(&self, row: usize, column: usize) -> L {
        assert!(row < self.rows && column < self.columns);
        // SAFETY: `new` has checked the last vector of the last row.
        unsafe { L::read(self.base.add(row * self.stride + column * L::N)) }
    }

    /// Asks for what lies `beyond` samples behind a vector to be brought to the second level of cache;
    /// what follows need not wait for it. Of vectors that share a line the first one asks for all, if the
    /// rows begin with a line.
    #[inline(always)]
    pub fn fetch(&self, row: usize, column: usize, beyond: usize) {
        fetch_vector::<L>(self.base, row * self.stride, column, beyond);
    }
}

/// The same for writing. Several may share one slice that they have borrowed together.
pub struct RowsMut<'a, L: Lane> {
    base: *mut L::T,
    stride: usize,
    rows: usize,
    columns: usize,
    slice: PhantomData<&'a mut [L::T]>,
}

impl<'a, L: Lane> RowsMut<'a, L> {
    /// Row r starts at sample `start + r * stride` and has `columns` vectors.
    #[inline(always)]
    pub fn new(
        slice: &'a mut [L::T],
        start: usize,
        stride: usize,
        rows: usize,
        columns: usize,
    ) -> Self {
        let [rows, _] = Self::pair(slice, [start; 2], stride, rows, columns);
        rows
    }

    /// Two sets of rows with different starts in one slice. They may overlap: all access is by
    /// value through pointers, never by reference.
    #[inline(always)]
    pub fn pair(
        slice: &'a mut [L::T],
        starts: [usize; 2],
        stride: usize,
        rows: usize,
        columns: usize,
    ) -> [Self; 2] {
        let (base, len) = (slice.as_mut_ptr(), slice.len());
        let reach = (rows - 1) * stride + columns * L::N;
        assert!(starts[0] + reach <= len && starts[1] + reach <= len);
        // SAFETY: within the slice, by the line above.
        let [a, b] = unsafe { [base.add(starts[0]), base.add(starts[1])] };
        [
            Self {
                base: a,
                stride,
                rows,
                columns,
                slice: PhantomData,
            },
            Self {
                base: b,
                stride,
                rows,
                columns,
                slice: PhantomData,
            },
        ]
    }

    #[inline(always)]
    pub fn get(&self, row: usize, column: usize) -> L {
        assert!(row < self.rows && column < self.columns);
        // SAFETY: `pair` has checked the last vector of the last row.
        unsafe { L::read(self.base.add(row * self.stride + column * L::N)) }
    }

    #[inline(always)]
    pub fn set(&mut self, row: usize, column: usize, value: L) {
        assert!(row < self.rows && column < self.columns);
        // SAFETY: as in `get`.
        unsafe { value.write(self.base.add(row * self.stride + column * L::N)) }
    }

    /// As [`Rows::fetch`]: what is written then waits no longer than what is read.
    #[inline(always)]
    pub fn fetch(&self, row: usize, column: usize, beyond: usize) {
        fetch_vector::<L>(self.base, row * self.stride, column, beyond);
    }
}

/// See [`Rows::fetch`].
#[inline(always)]
fn fetch_vector<L: Lane>(base: *const L::T, row: usize, column: usize, beyond: usize) {
    if (column * L::N * size_of::<L::T>()).is_multiple_of(LINE) {
        fetch_line::<_, false>(base.wrapping_add(row + column * L::N).wrapping_add(beyond));
    }
}

/// Puts a vector at the front of a slice.
#[inline(always)]
pub fn store<L: Lane>(to: &mut [L::T], value: L) {
    assert!(to.len() >= L::N);
    // SAFETY: checked.
    unsafe { value.write(to.as_mut_ptr()) }
}

/// Bytes of a line of cache.
const LINE: usize = 64;

/// Asks for a slice to be brought near; what follows need not wait for it.
#[inline]
pub fn prefetch<T>(slice: &[T]) {
    for line in slice.chunks(LINE / size_of::<T>()) {
        fetch_line::<_, true>(line.as_ptr());
    }
}

/// Asks for a line of cache, to the first level (`NEAR`) or the second.
#[inline(always)]
fn fetch_line<T, const NEAR: bool>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
        // SAFETY: a hint, which may point anywhere; part of every x86-64.
        unsafe {
            match NEAR {
                true => _mm_prefetch::<_MM_HINT_T0>(at.cast()),
                false => _mm_prefetch::<_MM_HINT_T1>(at.cast()),
            }
        }
    }
    // Elsewhere there is no stable way to ask.
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// The same slice, of which the compiler no longer knows that it is the same: what is read from it in
/// a loop is read each time. Constants that outnumber the registers are then operands in memory,
/// where otherwise they would be read ahead and moved about.
#[inline(always)]
pub fn reread<T>(slice: &[T]) -> &[T] {
    #[allow(unused_mut)]
    let mut start = slice.as_ptr();
    // SAFETY: no instruction at all; the pointer stays what it is.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    unsafe {
        std::arch::asm!("/* {0} */", inout(reg) start, options(readonly, nostack, preserves_flags));
    }
    // SAFETY: the same slice.
    unsafe { std::slice::from_raw_parts(start, slice.len()) }
}

/// Samples that begin at a cache line, so that no vector straddles two.
#[derive(Clone, Debug)]
pub struct Buffer<T> {
    lines: Vec<Line<T>>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line<T>([T; 16]);

impl<T: Scalar> Buffer<T> {
    pub fn zeros(len: usize) -> Self {
        Self {
            lines: vec![Line([T::default(); 16]); len.div_ceil(16)],
            len,
        }
    }

    pub fn from_slice(samples: &[T]) -> Self {
        let mut buffer = Self::zeros(samples.len());
        buffer.copy_from_slice(samples);
        buffer
    }
}

impl<T: Scalar> Deref for Buffer<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        const { assert!(size_of::<Line<T>>() == 16 * size_of::<T>()) };
        // SAFETY: lines are 16 samples without padding, by the line above, and hold `len` or more.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<T: Scalar> DerefMut for Buffer<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}
