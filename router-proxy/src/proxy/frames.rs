//! Where one frame of a WebSocket ends and the next begins (RFC 6455, section 5.2), so that the router can put in a
//! frame of its own, the last one. Pure; payloads are counted and not looked at.

/// A close frame from a server with status 1012 (0x03f4), "service restart" (IANA registry of close codes): the client may
/// connect again at once.
pub(super) const RESTART: [u8; 4] = [0x88, 2, 0x03, 0xf4];

const CLOSE: u8 = 8;
const MAX_HEAD: usize = 14;

/// Follows one direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; MAX_HEAD],
    /// So many bytes of a head are there.
    length: usize,
    /// So many bytes of a payload are still to come.
    payload: u64,
    has_closed: bool,
}

impl Frames {
    /// Bytes that have passed.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.payload > 0 {
                let n = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
                self.payload -= n as u64;
                bytes = &bytes[n..];
                continue;
            }
            self.head[self.length] = *first;
            self.length += 1;
            bytes = rest;
            if self.length == self.head_length() {
                self.has_closed |= self.head[0] & 0xf == CLOSE;
                self.payload = self.payload_length();
                self.length = 0;
            }
        }
    }

    /// Whether a frame may be put in here: between two others, and not after a close.
    pub(super) fn takes_another(&self) -> bool {
        self.length == 0 && self.payload == 0 && !self.has_closed
    }

    /// As far as the bytes that are there tell.
    fn head_length(&self) -> usize {
        if self.length < 2 {
            return 2;
        }
        let mask = if self.head[1] & 0x80 == 0 { 0 } else { 4 };
        mask + match self.head[1] & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }

    fn payload_length(&self) -> u64 {
        let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        match self.head[1] & 0x7f {
            126 => number(&self.head[2..4]),
            127 => number(&self.head[2..10]),
            short => u64::from(short),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut bytes = vec![first];
        match u16::try_from(length) {
            Ok(short @ 0..126) => bytes.push(mask | u8::try_from(short).expect("short")),
            Ok(medium) => bytes.extend([&[mask + 126][..], &medium.to_be_bytes()].concat()),
            Err(_) => bytes.extend([&[mask + 127][..], &(length as u64).to_be_bytes()].concat()),
        }
        bytes.extend(vec![0x88; length + if masked { 4 } else { 0 }]);
        bytes
    }

    #[test]
    fn the_ends_of_frames_are_found_however_the_bytes_come() {
        let sizes = [0, 1, 125, 126, 127, 65_535, 65_536, 0];
        let frames: Vec<_> =
            sizes.iter().enumerate().map(|(i, size)| frame(0x82, *size, i % 2 == 1)).collect();
        let all = frames.concat();
        let mut ends = vec![0];
        ends.extend(frames.iter().scan(0, |at, frame| {
            *at += frame.len();
            Some(*at)
        }));
        for step in [1, 2, 3, 7, 1000, 70_000] {
            let (mut follower, mut at) = (Frames::default(), 0);
            for piece in all.chunks(step) {
                follower.pass(piece);
                at += piece.len();
                assert_eq!(follower.takes_another(), ends.contains(&at), "{at} in steps of {step}");
            }
        }
    }

    #[test]
    fn nothing_follows_a_close() {
        let mut follower = Frames::default();
        follower.pass(&frame(0x81, 5, false));
        assert!(follower.takes_another());
        follower.pass(&RESTART);
        assert!(!follower.takes_another());
    }
}
