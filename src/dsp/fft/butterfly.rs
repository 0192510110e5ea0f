//! Butterflies on vectors: from the residues modulo z^m - w to those modulo its factors, and back.

use crate::kernel::Lane;
use num_traits::FloatConst;

#[derive(Clone, Copy)]
pub struct Complex<L> {
    pub re: L,
    pub im: L,
}

/// A root of unity c + i s: each part for the real and for the imaginary part of a product.
#[derive(Clone, Copy)]
pub struct Root<L> {
    pub c: [L; 2],
    pub s: [L; 2],
}

impl<L: Lane> Complex<L> {
    #[inline(always)]
    pub fn zero() -> Self {
        let zero = L::splat(L::T::default());
        Self { re: zero, im: zero }
    }

    /// self b + c
    #[inline(always)]
    pub fn mul_add(self, b: Self, c: Self) -> Self {
        let re = self.re.mul_add(b.re, c.re);
        let im = self.re.mul_add(b.im, c.im);
        Self {
            re: self.im.neg_mul_add(b.im, re),
            im: self.im.mul_add(b.re, im),
        }
    }

    /// self b
    #[inline(always)]
    pub fn mul(self, b: Self) -> Self {
        Self {
            re: self.im.neg_mul_add(b.im, self.re.mul(b.re)),
            im: self.im.mul_add(b.re, self.re.mul(b.im)),
        }
    }

    #[inline(always)]
    fn add(self, b: Self) -> Self {
        Self {
            re: self.re.add(b.re),
            im: self.im.add(b.im),
        }
    }

    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        Self {
            re: self.re.sub(b.re),
            im: self.im.sub(b.im),
        }
    }

    /// self + i b
    #[inline(always)]
    fn add_i(self, b: Self) -> Self {
        Self {
            re: self.re.sub(b.im),
            im: self.im.add(b.re),
        }
    }

    /// self - i b
    #[inline(always)]
    fn sub_i(self, b: Self) -> Self {
        Self {
            re: self.re.add(b.im),
            im: self.im.sub(b.re),
        }
    }

    /// self + x b, self - x b
    #[inline(always)]
    fn add_sub_scaled(self, b: Self, x: L) -> (Self, Self) {
        (
            Self {
                re: b.re.mul_add(x, self.re),
                im: b.im.mul_add(x, self.im),
            },
            Self {
                re: b.re.neg_mul_add(x, self.re),
                im: b.im.neg_mul_add(x, self.im),
            },
        )
    }

    /// self (c - i s)
    #[inline(always)]
    fn turn_back(self, r: Root<L>) -> Self {
        Self {
            re: self.im.mul_add(r.s[0], self.re.mul(r.c[0])),
            im: self.re.neg_mul_add(r.s[1], self.im.mul(r.c[1])),
        }
    }
}

impl<L: Lane> Root<L> {
    #[inline(always)]
    pub fn none() -> Self {
        let zero = L::splat(L::T::default());
        Self {
            c: [zero; 2],
            s: [zero; 2],
        }
    }
}

/// What a butterfly forward begins with: complex points, or real ones, which are half the work.
pub trait Point<L>: Copy {
    fn complex(self) -> Complex<L>;
    /// self (c + i s)
    fn turn(self, r: Root<L>) -> Complex<L>;
}

impl<L: Lane> Point<L> for Complex<L> {
    #[inline(always)]
    fn complex(self) -> Complex<L> {
        self
    }

    // With c and s apart, no product here overwrites an operand that is needed again. Six fused
    // operations could do a product together with its sum and difference, by c and s / c, but the
    // copies that they need on x86 make up for what they save.
    #[inline(always)]
    fn turn(self, r: Root<L>) -> Complex<L> {
        Complex {
            re: self.im.neg_mul_add(r.s[0], self.re.mul(r.c[0])),
            im: self.re.mul_add(r.s[1], self.im.mul(r.c[1])),
        }
    }
}

/// A real point.
#[derive(Clone, Copy)]
pub struct Real<L>(pub L);

impl<L: Lane> Point<L> for Real<L> {
    #[inline(always)]
    fn complex(self) -> Complex<L> {
        Complex {
            re: self.0,
            im: L::splat(L::T::default()),
        }
    }

    #[inline(always)]
    fn turn(self, r: Root<L>) -> Complex<L> {
        Complex {
            re: self.0.mul(r.c[0]),
            im: self.0.mul(r.s[1]),
        }
    }
}

/// Forward, by the roots that `roots` lists: on R rows, one column at a time.
pub struct Forward<L, const K: usize>(pub [Root<L>; K]);
/// And back.
pub struct Inverse<L, const K: usize>(pub [Root<L>; K]);

/// A butterfly on R rows forward.
pub trait Split<L, const R: usize> {
    fn of<P: Point<L>>(&self, x: [P; R]) -> [Complex<L>; R];
}

/// A butterfly on R rows back.
pub trait Join<L, const R: usize> {
    fn of(&self, y: [Complex<L>; R]) -> [Complex<L>; R];
}

// Forward, from z^R - w to z - root_k: y_k = sum over j of x_j root_k^j. With r^R = w, the roots are
// r, -r for R = 2; r, -r, i r, -i r for R = 4; those, and the same times e^(i pi/4), for R = 8.

impl<L: Lane> Split<L, 2> for Forward<L, 1> {
    #[inline(always)]
    fn of<P: Point<L>>(&self, x: [P; 2]) -> [Complex<L>; 2] {
        let (x0, t) = (x[0].complex(), x[1].turn(self.0[0]));
        [x0.add(t), x0.sub(t)]
    }
}

impl<L: Lane> Split<L, 4> for Forward<L, 3> {
    #[inline(always)]
    fn of<P: Point<L>>(&self, x: [P; 4]) -> [Complex<L>; 4] {
        let (r, x0) = (self.0, x[0].complex());
        let (t1, t2, t3) = (x[1].turn(r[0]), x[2].turn(r[1]), x[3].turn(r[2]));
        let (a, b) = (x0.add(t2), x0.sub(t2));
        let (c, d) = (t1.add(t3), t1.sub(t3));
        [a.add(c), a.sub(c), b.add_i(d), b.sub_i(d)]
    }
}

impl<L: Lane> Split<L, 8> for Forward<L, 7> {
    #[inline(always)]
    fn of<P: Point<L>>(&self, x: [P; 8]) -> [Complex<L>; 8] {
        let (r, x0) = (self.0, x[0].complex());
        let (t1, t2, t3) = (x[1].turn(r[0]), x[2].turn(r[1]), x[3].turn(r[2]));
        let (t4, t5) = (x[4].turn(r[3]), x[5].turn(r[4]));
        let (t6, t7) = (x[6].turn(r[5]), x[7].turn(r[6]));
        let (a0, a1) = (x0.add(t4), x0.sub(t4));
        let (a2, a3) = (t2.add(t6), t2.sub(t6));
        let (b0, b1) = (t1.add(t5), t1.sub(t5));
        let (b2, b3) = (t3.add(t7), t3.sub(t7));
        // The first four as radix 4.
        let (c, d) = (a0.add(a2), a0.sub(a2));
        let (e, f) = (b0.add(b2), b0.sub(b2));
        // With p = e^(i pi/4): (a1 + i a3) +- p (b1 + i b3), (a1 - i a3) +- p^3 (b1 - i b3).
        let (m, n) = (b1.add_i(b3), b1.sub_i(b3));
        let m = Complex {
            re: m.re.sub(m.im),
            im: m.re.add(m.im),
        }; // sqrt(2) p m
        let n = Complex {
            re: n.re.add(n.im),
            im: n.im.sub(n.re),
        }; // -sqrt(2) p^3 n
        let (y4, y5) = a1.add_i(a3).add_sub_scaled(m, root_half());
        let (y7, y6) = a1.sub_i(a3).add_sub_scaled(n, root_half());
        [c.add(e), c.sub(e), d.add_i(f), d.sub_i(f), y4, y5, y6, y7]
    }
}

#[inline(always)]
fn root_half<L: Lane>() -> L {
    L::splat(L::T::FRAC_1_SQRT_2())
}

// Back: x_j = sum over k of y_k conj(root_k)^j, which is `radix` times the residue.

impl<L: Lane> Join<L, 2> for Inverse<L, 1> {
    #[inline(always)]
    fn of(&self, y: [Complex<L>; 2]) -> [Complex<L>; 2] {
        let [s] = self.0;
        [y[0].add(y[1]), y[0].sub(y[1]).turn_back(s)]
    }
}

impl<L: Lane> Join<L, 4> for Inverse<L, 3> {
    #[inline(always)]
    fn of(&self, y: [Complex<L>; 4]) -> [Complex<L>; 4] {
        let [r, r2, r3] = self.0;
        let (a, b) = (y[0].add(y[1]), y[0].sub(y[1]));
        let (c, d) = (y[2].add(y[3]), y[2].sub(y[3]));
        [
            a.add(c),
            b.sub_i(d).turn_back(r),
            a.sub(c).turn_back(r2),
            b.add_i(d).turn_back(r3),
        ]
    }
}

impl<L: Lane> Join<L, 8> for Inverse<L, 7> {
    #[inline(always)]
    fn of(&self, y: [Complex<L>; 8]) -> [Complex<L>; 8] {
        let r = self.0;
        let (a0, b0) = (y[0].add(y[1]), y[0].sub(y[1]));
        let (a1, b1) = (y[2].add(y[3]), y[2].sub(y[3]));
        let (a2, b2) = (y[4].add(y[5]), y[4].sub(y[5]));
        let (a3, b3) = (y[6].add(y[7]), y[6].sub(y[7]));
        // Even j: radix 4 on the sums.
        let (e, f) = (a0.add(a1), a0.sub(a1));
        let (g, h) = (a2.add(a3), a2.sub(a3));
        // Odd j: with p = e^(-i pi/4), x1 and x5 are (b0 - i b1) +- p (b2 - i b3),
        // x3 and x7 are (b0 + i b1) +- p^3 (b2 + i b3), before their roots.
        let (m, n) = (b2.sub_i(b3), b2.add_i(b3));
        let m = Complex {
            re: m.re.add(m.im),
            im: m.im.sub(m.re),
        }; // sqrt(2) p m
        let n = Complex {
            re: n.re.sub(n.im),
            im: n.re.add(n.im),
        }; // -sqrt(2) p^3 n
        let (x1, x5) = b0.sub_i(b1).add_sub_scaled(m, root_half());
        let (x7, x3) = b0.add_i(b1).add_sub_scaled(n, root_half());
        [
            e.add(g),
            x1.turn_back(r[0]),
            f.sub_i(h).turn_back(r[1]),
            x3.turn_back(r[2]),
            e.sub(g).turn_back(r[3]),
            x5.turn_back(r[4]),
            f.add_i(h).turn_back(r[5]),
            x7.turn_back(r[6]),
        ]
    }
}
