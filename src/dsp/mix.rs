//! Blocks that come together.

use crate::kernel::{self, Body, Cpu, Lane};
use crate::signal::Sample;

/// to[n] += from[n]
pub(crate) fn add<T: Sample>(cpu: Cpu, from: &[T], to: &mut [T]) {
    kernel::run(cpu, Add { from, to });
}

struct Add<'a, T> {
    from: &'a [T],
    to: &'a mut [T],
}

impl<T: Sample> Body<T> for Add<'_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(self) {
        for (y, &x) in self.to.iter_mut().zip(self.from) {
            *y += x;
        }
    }
}
