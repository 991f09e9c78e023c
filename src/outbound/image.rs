//! Logos: whether the bytes that somebody's server sent are a picture that we dare to serve. Pure.
//!
//! The format is told by the bytes, never by the sender's content type. Only what a browser draws and cannot run is
//! taken: PNG, JPEG and WebP. SVG and HTML can carry scripts and are refused, like all else.

use thiserror::Error;

/// A logo is at most this many bytes: 100 KiB.
pub const MAX_BYTES: usize = 100 * 1024;

/// A logo is at most this many pixels wide and high, so that nobody's browser is made to unpack a bomb.
pub const MAX_SIDE: u32 = 4096;

/// The formats that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFormat {
    /// Portable Network Graphics
    Png,
    /// JPEG
    Jpeg,
    /// WebP
    WebP,
}

impl ImageFormat {
    /// With which a file of it is named.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::WebP => "webp",
        }
    }

    /// The media type to serve it with.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
        }
    }
}

/// What is known of a picture that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogoImage {
    /// Its format.
    pub format: ImageFormat,
    /// Its width, in pixels.
    pub width: u32,
    /// Its height, in pixels.
    pub height: u32,
}

/// Why a picture is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ImageError {
    /// More than [`MAX_BYTES`].
    #[error("the picture is larger than 100 KiB")]
    TooManyBytes,
    /// None of the formats.
    #[error("the picture is neither PNG, JPEG nor WebP")]
    UnknownFormat,
    /// It begins like one of the formats, but has no size.
    #[error("the picture is damaged")]
    Damaged,
    /// More than [`MAX_SIDE`].
    #[error("the picture is wider or higher than 4096 pixels")]
    TooManyPixels,
}

impl LogoImage {
    /// Reads the format and the size from the head of the picture. The picture itself is not unpacked.
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        if bytes.len() > MAX_BYTES {
            return Err(ImageError::TooManyBytes);
        }
        let (format, size) = if let Some(rest) = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n") {
            (ImageFormat::Png, png_size(rest))
        } else if let Some(rest) = bytes.strip_prefix(b"\xff\xd8") {
            (ImageFormat::Jpeg, jpeg_size(rest))
        } else if let Some(rest) = bytes.strip_prefix(b"RIFF").filter(|rest| rest.get(4..8) == Some(b"WEBP")) {
            (ImageFormat::WebP, webp_size(rest))
        } else {
            return Err(ImageError::UnknownFormat);
        };
        match size {
            None | Some((0, _) | (_, 0)) => Err(ImageError::Damaged),
            Some((width, height)) if width > MAX_SIDE || height > MAX_SIDE => Err(ImageError::TooManyPixels),
            Some((width, height)) => Ok(Self { format, width, height }),
        }
    }
}

/// The first chunk is the header, 13 bytes long (PNG, third edition, §11.2.1), and the last one ends the picture.
fn png_size(rest: &[u8]) -> Option<(u32, u32)> {
    let header = rest.strip_prefix(b"\0\0\0\x0dIHDR")?;
    let (width, header) = header.split_first_chunk()?;
    let (height, _) = header.split_first_chunk()?;
    rest.ends_with(b"\0\0\0\0IEND\xae\x42\x60\x82").then_some((u32::from_be_bytes(*width), u32::from_be_bytes(*height)))
}

/// Segments up to the frame header, which holds the size (ITU-T T.81 §B.2.2).
fn jpeg_size(mut rest: &[u8]) -> Option<(u32, u32)> {
    loop {
        let [0xff, marker, after @ ..] = rest else { return None };
        match marker {
            0xff => rest = rest.get(1..)?, // fill byte
            0x01 | 0xd0..=0xd7 => rest = after,
            // Start of frame, whichever the coding; C4, C8 and CC are something else.
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let [_, _, _precision, h1, h0, w1, w0, ..] = after else { return None };
                return Some((u16::from_be_bytes([*w1, *w0]).into(), u16::from_be_bytes([*h1, *h0]).into()));
            }
            // Picture data or its end before any frame.
            0xd8..=0xda | 0x00 => return None,
            _ => {
                let length = after.first_chunk().map(|length| usize::from(u16::from_be_bytes(*length)))?;
                rest = after.get(length.max(2)..)?;
            }
        }
    }
}

/// The first chunk in the container says the size, in one of three ways (RFC 9649 §2.5 to §2.7).
fn webp_size(rest: &[u8]) -> Option<(u32, u32)> {
    let (length, _) = rest.split_first_chunk()?;
    // A container that claims more than there is was cut off; an odd one is padded by a byte.
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if length > rest.len().checked_sub(4)? {
        return None;
    }
    let chunk = rest.get(8..)?;
    let data = chunk.get(8..)?;
    match chunk.first_chunk()? {
        b"VP8 " => {
            // A key frame (RFC 6386 §9.1): a frame tag whose lowest bit is 0, a start code, then twice 14 bits of size.
            let [tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] = data else { return None };
            let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
            (tag & 1 == 0).then_some((side(*w0, *w1), side(*h0, *h1)))
        }
        b"VP8L" => {
            let [0x2f, a, b, c, d, ..] = data else { return None };
            let bits = u32::from_le_bytes([*a, *b, *c, *d]);
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        b"VP8X" => {
            let [_flags, _, _, _, w0, w1, w2, h0, h1, h2, ..] = data else { return None };
            Some((u32::from_le_bytes([*w0, *w1, *w2, 0]) + 1, u32::from_le_bytes([*h0, *h1, *h2, 0]) + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend(b"\x08\x06\0\0\0CRC.\0\0\0\0IEND\xae\x42\x60\x82");
        bytes
    }

    /// With an APP0 segment, a fill byte and a Huffman table before the frame.
    fn jpeg(width: u16, height: u16) -> Vec<u8> {
        let mut bytes = b"\xff\xd8\xff\xe0\0\x04JF\xff\xff\xc4\0\x03x\xff\xc2\0\x11\x08".to_vec();
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes.extend(b"\x03rest");
        bytes
    }

    fn webp(kind: &[u8], data: &[u8]) -> Vec<u8> {
        let length = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
        [b"RIFF", &length(12 + data.len())[..], b"WEBP", kind, &length(data.len()), data].concat()
    }

    fn size(bytes: &[u8]) -> Result<(ImageFormat, u32, u32), ImageError> {
        LogoImage::parse(bytes).map(|image| (image.format, image.width, image.height))
    }

    #[test]
    fn three_formats_are_read() {
        assert_eq!(size(&png(640, 480)), Ok((ImageFormat::Png, 640, 480)));
        assert_eq!(size(&jpeg(640, 480)), Ok((ImageFormat::Jpeg, 640, 480)));
        let lossy = webp(b"VP8 ", b"\x30\x01\x00\x9d\x01\x2a\x80\x02\xe0\x41rest");
        assert_eq!(size(&lossy), Ok((ImageFormat::WebP, 640, 480)));
        let lossless = webp(b"VP8L", &[&[0x2f][..], &(0x027f_u32 | 0x01df << 14).to_le_bytes()].concat());
        assert_eq!(size(&lossless), Ok((ImageFormat::WebP, 640, 480)));
        let extended = webp(b"VP8X", b"\x10\0\0\0\x7f\x02\0\xdf\x01\0");
        assert_eq!(size(&extended), Ok((ImageFormat::WebP, 640, 480)));
        assert_eq!(ImageFormat::WebP.content_type(), "image/webp");
    }

    #[test]
    fn what_can_run_or_is_unknown_is_refused() {
        for bytes in [
            &b""[..],
            b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
            b"<?xml version='1.0'?><svg/>",
            b"<!DOCTYPE html><title>x</title>",
            b"GIF89a\x01\0\x01\0",
            b"BM\x36\0\0\0",
            b"RIFF\x24\0\0\0WAVEfmt ",
            b"\0\0\0\x1cftypavif",
            b" \x89PNG\r\n\x1a\n",
            b"\x1f\x8b\x08",
        ] {
            assert_eq!(LogoImage::parse(bytes), Err(ImageError::UnknownFormat), "{bytes:?}");
        }
    }

    #[test]
    fn too_much_is_refused() {
        let mut large = png(1, 1);
        large.resize(MAX_BYTES + 1, 0);
        assert_eq!(LogoImage::parse(&large), Err(ImageError::TooManyBytes));
        for bytes in [png(4097, 1), png(1, u32::MAX), jpeg(1, 4097), webp(b"VP8X", b"\0\0\0\0\xff\xff\xff\0\0\0")] {
            assert_eq!(LogoImage::parse(&bytes), Err(ImageError::TooManyPixels));
        }
        assert!(LogoImage::parse(&png(4096, 4096)).is_ok());
    }

    #[test]
    fn damaged_pictures_are_refused() {
        for bytes in [png(0, 1), png(1, 0), jpeg(0, 5), jpeg(5, 0), webp(b"VP8 ", b""), webp(b"ALPH", b"0123456789")] {
            assert_eq!(LogoImage::parse(&bytes), Err(ImageError::Damaged), "{bytes:?}");
        }
        // A frame that is not a key frame; a container longer than the file; picture data before any frame.
        let delta = webp(b"VP8 ", b"\x31\x01\x00\x9d\x01\x2a\x80\x02\xe0\x01");
        let cut = &webp(b"VP8X", b"\0\0\0\0\0\0\0\0\0\0")[..29];
        for bytes in [&delta[..], cut, b"\xff\xd8\xff\xda\0\x02", b"\xff\xd8\xff\xd9", b"\xff\xd8<html>"] {
            assert_eq!(LogoImage::parse(bytes), Err(ImageError::Damaged), "{bytes:?}");
        }
        for whole in [png(9, 9), jpeg(9, 9)] {
            let head = whole.len() - 12;
            assert!((2..head).all(|end| LogoImage::parse(&whole[..end]).is_err()));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_picture_or_refused(head in 0_usize..4, tail in prop::collection::vec(any::<u8>(), 0..200)) {
            let heads: [&[u8]; 4] = [b"", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", b"\xff\xd8\xff", b"RIFF\x20\0\0\0WEBPVP8"];
            if let Ok(image) = LogoImage::parse(&[heads[head], &tail].concat()) {
                prop_assert!((1..=MAX_SIDE).contains(&image.width) && (1..=MAX_SIDE).contains(&image.height));
            }
        }
    }
}
