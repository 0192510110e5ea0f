//! The companding laws of telephony (ITU-T G.711).

/// What each octet of A-law stands for, in steps of 16 bits.
pub(super) static A_LAW: [i16; 256] = table(true);
/// The same for mu-law.
pub(super) static MU_LAW: [i16; 256] = table(false);

const fn table(a: bool) -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = if a {
            a_law(octet as u8)
        } else {
            mu_law(octet as u8)
        };
        octet += 1;
    }
    table
}

/// What an octet of A-law stands for, in steps of 16 bits (ITU-T G.711, table 1).
const fn a_law(octet: u8) -> i16 {
    let code = octet ^ 0x55;
    let (segment, step) = ((code >> 4) & 7, (code & 15) as i16);
    let magnitude = match segment {
        0 => 16 * step + 8,
        _ => (16 * step + 264) << (segment - 1),
    };
    if code & 0x80 == 0 {
        -magnitude
    } else {
        magnitude
    }
}

/// The same for mu-law (ITU-T G.711, table 2).
const fn mu_law(octet: u8) -> i16 {
    let code = !octet;
    let (segment, step) = ((code >> 4) & 7, (code & 15) as i16);
    let magnitude = ((8 * step + 132) << segment) - 132;
    if code & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn companded_samples_are_those_of_the_recommendation() {
        // Ends of segments, in the units of G.711 (13 and 14 bits), from its tables.
        for (octet, value) in [
            (0xd5, 1),
            (0x55, -1),
            (0xaa, 4032),
            (0x2a, -4032),
            (0xc5, 33),
        ] {
            assert_eq!(A_LAW[octet], 8 * value, "{octet:#x}");
        }
        for (octet, value) in [
            (0xff, 0),
            (0x7f, 0),
            (0x80, 8031),
            (0x00, -8031),
            (0xf0, 30),
        ] {
            assert_eq!(MU_LAW[octet], 4 * value, "{octet:#x}");
        }
    }
}
