#!/usr/bin/env python3
"""Makes reference/: small images of every kind, and OpenCV's decoding of each.

    /usr/bin/python3 data/image/testdata/make_reference_set.py

Needs Debian 12's python3-opencv (4.6.0), python3-pil and libjpeg-turbo-progs.
reference/digests.txt has one line per file: name, width, height and the CRC-32C
of the RGB bytes that cv::imdecode gives with IMREAD_COLOR and
IMREAD_IGNORE_ORIENTATION, rows from top to bottom; `refused` where it gives no
image. decode_image_reference_test.cc asserts the same digests of DecodeImage.

reference/first_images.txt has the same for formats that OpenCV was not used for, by
Pillow: GIF, TIFF and animated WebP, of which the first image counts; where Pillow does
something else, the digest of the pixels that the file was made of.

reference/encoded.txt has the CRC-32C and the size of the files that cv::imencode
writes of the image `Pixels(height, width)`, for encode_image_test.cc.
"""

import io
import os
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
from PIL import Image

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "reference")
files = {}
first_images = {}
expected = {}  # name -> RGB array, where Pillow cannot decode


def crc32c(data, table=[]):
    if not table:
        for n in range(256):
            for _ in range(8):
                n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
            table.append(n)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def pixels(height, width, channels=3):
    """Smooth in part, sharp in part; the same formula as in encode_image_test.cc."""
    y, x, c = np.meshgrid(range(height), range(width), range(channels), indexing="ij")
    return ((x * (7 + 4 * c) + y * (3 + 5 * c) + (x * y * (c + 1)) // 9 + 60 * ((x // 5 + y // 4) % 2)) % 256).astype(
        np.uint8)


# --- JPEG -----------------------------------------------------------------------------------------------


def saved(image, **options):
    stream = io.BytesIO()
    image.save(stream, **options)
    return stream.getvalue()


def cjpeg(*options, height=29, width=37, grey=False):
    array = pixels(height, width, 1 if grey else 3)
    kind = b"P5" if grey else b"P6"
    pnm = kind + b" %d %d 255\n" % (width, height) + array.tobytes()
    return subprocess.run(["cjpeg", *options], input=pnm, stdout=subprocess.PIPE, check=True).stdout


def with_adobe_transform(jpeg, transform):
    at = jpeg.index(b"\xff\xee\x00\x0eAdobe")
    return jpeg[:at + 15] + bytes([transform]) + jpeg[at + 16:]


def without_adobe(jpeg):
    at = jpeg.index(b"\xff\xee\x00\x0eAdobe")
    return jpeg[:at] + jpeg[at + 16:]


def without_tables(jpeg):
    """Drops the Huffman tables, like a frame of Motion JPEG, which uses the standard ones."""
    while (at := jpeg.find(b"\xff\xc4")) >= 0:
        jpeg = jpeg[:at] + jpeg[at + 2 + int.from_bytes(jpeg[at + 2:at + 4], "big"):]
    return jpeg


def exif(orientation):
    return b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([orientation]) + b"\0\0\0\0\0\0"


def app1(jpeg, payload):
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


def make_jpegs():
    for name, options in {
            "444": ["-sample", "1x1"],
            "420": [],
            "422": ["-sample", "2x1"],
            "440": ["-sample", "1x2"],
            "411": ["-sample", "4x1"],
            "chroma_420_of_first_only": ["-sample", "2x2,1x1,1x1"],
            "luma_smaller": ["-sample", "1x1,2x2,1x1"],
            "quality_5": ["-quality", "5"],
            "quality_100": ["-quality", "100"],
            "progressive": ["-progressive"],
            "progressive_444": ["-progressive", "-sample", "1x1"],
            "arithmetic": ["-arithmetic"],
            "arithmetic_progressive": ["-arithmetic", "-progressive"],
            "restarts": ["-restart", "1B"],
            "restarts_progressive": ["-restart", "1", "-progressive"],
            "rgb_components": ["-rgb"],
            "smoothed": ["-smooth", "20"],
            "optimized": ["-optimize"],
            "grey_of_color": ["-grayscale"],
            "16_bit_tables": ["-quality", "1"],
    }.items():
        files[f"{name}.jpg"] = cjpeg(*options)
    for width, height in [(1, 1), (1, 9), (16, 1), (8, 8), (15, 17), (64, 3)]:
        files[f"size_{width}x{height}.jpg"] = cjpeg(width=width, height=height)
        files[f"size_{width}x{height}_progressive.jpg"] = cjpeg("-progressive", width=width, height=height)
    files["grey.jpg"] = cjpeg(grey=True)
    files["grey_progressive.jpg"] = cjpeg("-progressive", grey=True)
    files["motion_frame.jpg"] = without_tables(cjpeg())
    cmyk = Image.frombytes("CMYK", (37, 29), pixels(29, 37, 4).tobytes())
    adobe_cmyk = saved(cmyk, format="JPEG", quality=90)
    files["cmyk_adobe.jpg"] = adobe_cmyk
    files["cmyk_adobe_progressive.jpg"] = saved(cmyk, format="JPEG", quality=90, progressive=True)
    files["cmyk_without_adobe.jpg"] = without_adobe(adobe_cmyk)
    files["ycck_adobe.jpg"] = with_adobe_transform(adobe_cmyk, 2)
    # Components of an Adobe file that are said to be RGB.
    adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
    plain = cjpeg("-sample", "1x1")
    files["adobe_rgb.jpg"] = plain[:2] + adobe + b"\0" + plain[20:]
    files["adobe_ycc.jpg"] = plain[:2] + adobe + b"\1" + plain[20:]
    files["trailing_bytes.jpg"] = cjpeg() + b"after the end"
    for orientation in range(1, 9):
        files[f"exif_{orientation}.jpg"] = app1(cjpeg(), exif(orientation))


# --- PNG ------------------------------------------------------------------------------------------------

ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def packed_rows(samples, depth):
    """Rows [H, W, C] of samples as bytes, each with the filter byte 0 (None)."""
    rows = b""
    for row in samples.reshape(samples.shape[0], -1):
        bits = "".join(format(int(v), f"0{depth}b") for v in row)
        bits += "0" * (-len(bits) % 8)
        rows += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    return rows


def png(samples, color_type, depth, chunks=b"", interlaced=False):
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, int(interlaced))
    if interlaced:
        passes = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7]
        data = b"".join(packed_rows(p, depth) for p in passes if p.size)
    else:
        data = packed_rows(samples, depth)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunks + chunk(b"IDAT", zlib.compress(data, 9)) +
            chunk(b"IEND", b""))


def samples_of(channels, depth, height=13, width=19):
    deep = pixels(height, width, channels).astype(np.int64)
    if depth < 16:
        return deep % (1 << depth)
    return np.minimum(deep * 257 + np.arange(width)[None, :, None], 65535)


def make_pngs():
    kinds = {"grey": (0, 1, [1, 2, 4, 8, 16]), "rgb": (2, 3, [8, 16]), "grey_alpha": (4, 2, [8, 16]),
             "rgba": (6, 4, [8, 16])}
    for name, (color_type, channels, depths) in kinds.items():
        for depth in depths:
            samples = samples_of(channels, depth)
            for interlaced in [False, True]:
                suffix = "_interlaced" if interlaced else ""
                files[f"{name}_{depth}{suffix}.png"] = png(samples, color_type, depth, interlaced=interlaced)
            if color_type in (0, 2):
                transparent = struct.pack(f">{channels}H", *[int(v) for v in samples[2, 3]])
                files[f"{name}_{depth}_trns.png"] = png(samples, color_type, depth, chunk(b"tRNS", transparent))
    for depth in [1, 2, 4, 8]:
        count = 1 << depth
        palette = chunk(b"PLTE", bytes((17 * i * (c + 2) + 50 * c) % 256 for i in range(count) for c in range(3)))
        indices = samples_of(1, depth)
        files[f"palette_{depth}.png"] = png(indices, 3, depth, palette)
        files[f"palette_{depth}_interlaced.png"] = png(indices, 3, depth, palette, interlaced=True)
        alpha = chunk(b"tRNS", bytes((90 * i) % 256 for i in range(count)))
        files[f"palette_{depth}_trns.png"] = png(indices, 3, depth, palette + alpha)
    files["palette_index_beyond.png"] = png(samples_of(1, 4), 3, 4, chunk(b"PLTE", bytes(range(15))))
    rgb = samples_of(3, 8)
    files["gamma.png"] = png(rgb, 2, 8, chunk(b"gAMA", struct.pack(">I", 100000)))
    files["srgb.png"] = png(rgb, 2, 8, chunk(b"sRGB", b"\0"))
    files["background.png"] = png(samples_of(4, 8), 6, 8, chunk(b"bKGD", struct.pack(">3H", 9, 99, 199)))
    files["significant_bits.png"] = png(samples_of(3, 16), 2, 16, chunk(b"sBIT", bytes([12, 12, 12])))
    files["text.png"] = png(rgb, 2, 8, chunk(b"tEXt", b"Comment\0text"))
    files["exif_6.png"] = png(rgb, 2, 8, chunk(b"eXIf", exif(6)[6:]))
    files["exif_3.png"] = png(rgb, 2, 8, chunk(b"eXIf", exif(3)[6:]))
    files["size_1x1.png"] = png(samples_of(3, 8, 1, 1), 2, 8)
    files["size_1x1_interlaced.png"] = png(samples_of(3, 8, 1, 1), 2, 8, interlaced=True)
    files["filters.png"] = saved(Image.fromarray(pixels(29, 37)), format="PNG")


# --- WebP -----------------------------------------------------------------------------------------------


def make_webps():
    for width, height in [(37, 29), (1, 1), (16, 16), (15, 2)]:
        rgb = Image.fromarray(pixels(height, width))
        rgba = Image.fromarray(pixels(height, width, 4))
        size = f"{width}x{height}"
        files[f"lossy_{size}.webp"] = saved(rgb, format="WEBP", quality=70)
        files[f"lossless_{size}.webp"] = saved(rgb, format="WEBP", lossless=True)
        files[f"lossy_alpha_{size}.webp"] = saved(rgba, format="WEBP", quality=70)
        files[f"lossless_alpha_{size}.webp"] = saved(rgba, format="WEBP", lossless=True, exact=True)
    rgb = Image.fromarray(pixels(29, 37))
    files["exif_6.webp"] = saved(rgb, format="WEBP", quality=70, exif=exif(6))
    files["profile.webp"] = saved(rgb, format="WEBP", lossless=True, icc_profile=b"profile")


# --- BMP ------------------------------------------------------------------------------------------------


def bmp(width, height, bits, data, compression=0, palette=b"", header_size=40, colors=0, masks=b"", gap=b""):
    info = struct.pack("<IiiHHIIiiII", header_size, width, height, 1, bits, compression, len(data), 2835, 2835,
                       colors, 0)
    if header_size == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    if header_size > 40:
        info += masks.ljust(16, b"\0") + b"BGRs" + b"\0" * (header_size - 60)
        masks = b""
    offset = 14 + len(info) + len(masks) + len(palette) + len(gap)
    return (b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + info + masks + palette + gap + data)


def padded(rows):
    return b"".join(row + b"\0" * (-len(row) % 4) for row in rows)


def bits_rows(indices, bits):
    rows = []
    for row in indices:
        text = "".join(format(int(v), f"0{bits}b") for v in row)
        text += "0" * (-len(text) % 8)
        rows.append(int(text, 2).to_bytes(len(text) // 8, "big"))
    return padded(rows)


def bmp_palette(count, grey=False, entry=4):
    colors = [(i * 255 // max(1, count - 1), ) * 3 if grey else (i * 37 % 256, i * 91 % 256, 255 - i * 53 % 256)
              for i in range(count)]
    return b"".join(bytes(color) + b"\0" * (entry - 3) for color in colors)


def rle(rows, encode):
    return b"".join(encode(row) + b"\0\0" for row in rows) + b"\0\1"


def runs(row):
    at = 0
    while at < len(row):
        end = at
        while end < len(row) and row[end] == row[at] and end - at < 200:
            end += 1
        yield end - at, row[at]
        at = end


def make_bmps():
    width, height = 19, 13
    grid = pixels(height, width, 1)[:, :, 0]
    masks_555 = struct.pack("<III", 0x7C00, 0x3E0, 0x1F)
    masks_565 = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    for bits in [1, 4, 8]:
        count = 1 << bits
        data = bits_rows(grid % count, bits)
        files[f"palette_{bits}.bmp"] = bmp(width, height, bits, data, palette=bmp_palette(count))
        files[f"palette_{bits}_grey.bmp"] = bmp(width, height, bits, data, palette=bmp_palette(count, grey=True))
        files[f"palette_{bits}_top_down.bmp"] = bmp(width, -height, bits, data, palette=bmp_palette(count))
        files[f"palette_{bits}_os2.bmp"] = bmp(width, height, bits, data, palette=bmp_palette(count, entry=3),
                                               header_size=12)
        few = max(2, count // 3)
        files[f"palette_{bits}_few.bmp"] = bmp(width, height, bits, bits_rows(grid % few, bits), colors=few,
                                               palette=bmp_palette(few))
        files[f"palette_{bits}_index_beyond.bmp"] = bmp(width, height, bits, data, colors=few, palette=bmp_palette(few))
        files[f"palette_{bits}_gap.bmp"] = bmp(width, height, bits, data, palette=bmp_palette(count), gap=b"12345678")
        files[f"palette_{bits}_v5.bmp"] = bmp(width, height, bits, data, palette=bmp_palette(count), header_size=124)
    deep = padded([row.astype("<u2").tobytes() for row in grid.astype(np.uint32) * 257 + 77])
    files["rgb_16.bmp"] = bmp(width, height, 16, deep)
    files["fields_555.bmp"] = bmp(width, height, 16, deep, 3, masks=masks_555)
    files["fields_565.bmp"] = bmp(width, height, 16, deep, 3, masks=masks_565)
    files["fields_565_v4.bmp"] = bmp(width, height, 16, deep, 3, masks=masks_565, header_size=108)
    files["fields_444.bmp"] = bmp(width, height, 16, deep, 3, masks=struct.pack("<III", 0xF00, 0xF0, 0xF))
    files["rgb_16_top_down.bmp"] = bmp(width, -height, 16, deep)
    rgb = padded([row.tobytes() for row in pixels(height, width)])
    rgba = padded([row.tobytes() for row in pixels(height, width, 4)])
    for name, data, bits in [("rgb_24", rgb, 24), ("rgb_32", rgba, 32)]:
        files[f"{name}.bmp"] = bmp(width, height, bits, data)
        files[f"{name}_top_down.bmp"] = bmp(width, -height, bits, data)
        files[f"{name}_os2.bmp"] = bmp(width, height, bits, data, header_size=12)
        files[f"{name}_v5.bmp"] = bmp(width, height, bits, data, header_size=124)
        files[f"{name}_gap.bmp"] = bmp(width, height, bits, data, gap=b"1234")
        files[f"{name}_palette.bmp"] = bmp(width, height, bits, data, colors=4, palette=bmp_palette(4))
    usual = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    other = struct.pack("<IIII", 0xFF, 0xFF00, 0xFF0000, 0xFF000000)
    files["fields_32.bmp"] = bmp(width, height, 32, rgba, 3, masks=usual[:12])
    files["fields_32_v5.bmp"] = bmp(width, height, 32, rgba, 3, masks=usual, header_size=124)
    files["fields_32_other_order_v5.bmp"] = bmp(width, height, 32, rgba, 3, masks=other, header_size=124)
    blocks = grid // 64 * 3
    for bits in [4, 8]:
        count = 1 << bits
        name, compression, nibbles = f"rle_{bits}", 3 - bits // 4, bits == 4
        value = (lambda v: v * 17 % 256) if nibbles else (lambda v: v)
        indices = blocks % count
        encoded = rle(indices, lambda row: b"".join(bytes([n, value(int(v))]) for n, v in runs(row)))
        palette = bmp_palette(count)
        files[f"{name}.bmp"] = bmp(width, height, bits, encoded, compression, palette)
        files[f"{name}_grey.bmp"] = bmp(width, height, bits, encoded, compression, bmp_palette(count, grey=True))
        files[f"{name}_top_down.bmp"] = bmp(width, -height, bits, encoded, compression, palette)

        def absolute(row):
            data = bits_rows([row], bits)[:(len(row) * bits + 7) // 8]
            return bytes([0, len(row)]) + data + b"\0" * (len(data) % 2)

        files[f"{name}_absolute.bmp"] = bmp(width, height, bits, rle(grid % count, absolute), compression, palette)
        two = bytes([7, value(5)])
        files[f"{name}_alternating.bmp"] = bmp(width, height, bits, rle(grid, lambda row: bytes([19, 0x3A % count])),
                                               compression, palette)
        files[f"{name}_delta.bmp"] = bmp(
            width, height, bits,
            two + b"\0\2\4\3" + two + b"\0\0" + two + b"\0\2\0\2" + two + b"\0\0" + two + b"\0\2\3\0" + two +
            b"\0\0\0\2\0\3\0\0" + two + b"\0\1",
            compression, palette)
        files[f"{name}_short_rows.bmp"] = bmp(width, height, bits, (two + b"\0\0") * height + b"\0\1", compression,
                                              palette)
        files[f"{name}_ends_early.bmp"] = bmp(width, height, bits, two + b"\0\0" + two + b"\0\1", compression, palette)
        files[f"{name}_run_beyond_row.bmp"] = bmp(width, height, bits, bytes([25, value(5)]) + b"\0\0\0\1",
                                                  compression, palette)
        files[f"{name}_without_end.bmp"] = bmp(width, height, bits, encoded[:-2], compression, palette)
        files[f"{name}_no_line_ends.bmp"] = bmp(
            width, height, bits, b"".join(bytes([n, value(int(v))]) for row in indices for n, v in runs(row)) +
            b"\0\1", compression, palette)
    files["size_1x1.bmp"] = bmp(1, 1, 24, b"\1\2\3\0")


# --- GIF ------------------------------------------------------------------------------------------------


def lzw(indices, size):
    """Codes of constant width: the table is cleared before they would grow."""
    clear, bits, count, out = 1 << size, 0, 0, bytearray()
    codes = []
    for i, index in enumerate(indices):
        if i % ((1 << size) - 2) == 0:
            codes.append(clear)
        codes.append(int(index))
    for code in codes + [clear + 1]:
        bits |= code << count
        count += size + 1
        while count >= 8:
            out.append(bits & 255)
            bits >>= 8
            count -= 8
    if count:
        out.append(bits & 255)
    blocks = b"".join(bytes([len(out[i:i + 255])]) + out[i:i + 255] for i in range(0, len(out), 255))
    return bytes([size]) + blocks + b"\0"


def gif_frame(indices, size, left=0, top=0, palette=None, interlaced=False, transparent=None):
    height, width = indices.shape
    if interlaced:
        indices = np.concatenate([indices[first::step] for first, step in [(0, 8), (4, 8), (2, 4), (1, 2)]])
    flags = (0x40 if interlaced else 0) | (0x80 | (size - 1) if palette else 0)
    control = b"" if transparent is None else b"\x21\xf9\4\1\0\0" + bytes([transparent]) + b"\0"
    return (control + b"," + struct.pack("<HHHHB", left, top, width, height, flags) + (palette or b"") +
            lzw(indices.reshape(-1), size))


def gif(width, height, frames, size, palette=None, background=0):
    flags = (0x80 | (size - 1)) if palette else 0
    return (b"GIF89a" + struct.pack("<HHBBB", width, height, flags, background, 0) + (palette or b"") +
            b"\x21\xfe\x07comment\0" + b"".join(frames) + b";")


def gif_palette(size, step=37):
    return bytes((i * step * (c + 1) + 40 * c) % 256 for i in range(1 << size) for c in range(3))


def make_gifs():
    grid = pixels(13, 19, 1)[:, :, 0]
    for size in [2, 4, 8]:
        indices = grid % (1 << size)
        first_images[f"palette_{size}.gif"] = gif(19, 13, [gif_frame(indices, size)], size, gif_palette(size))
        first_images[f"palette_{size}_interlaced.gif"] = gif(19, 13, [gif_frame(indices, size, interlaced=True)],
                                                             size, gif_palette(size))
    first_images["local_palette.gif"] = gif(
        19, 13, [gif_frame(grid % 16, 4, palette=gif_palette(4, 91))], 4, gif_palette(4))
    first_images["only_local_palette.gif"] = gif(19, 13, [gif_frame(grid % 16, 4, palette=gif_palette(4, 91))], 4)
    first_images["animation.gif"] = gif(
        19, 13, [gif_frame(grid % 16, 4), gif_frame(15 - grid % 16, 4, transparent=3)], 4, gif_palette(4))
    first_images["transparent.gif"] = gif(19, 13, [gif_frame(grid % 16, 4, transparent=5)], 4, gif_palette(4))
    # Around the frame there is the background's colour; a canvas that is too small grows.
    colors = np.frombuffer(gif_palette(4), np.uint8).reshape(16, 3)
    for name, width, height in [("frame_inside", 30, 20), ("frame_beyond_canvas", 8, 5)]:
        frame = gif_frame(grid % 16, 4, left=3, top=2)
        first_images[f"{name}.gif"] = gif(width, height, [frame], 4, gif_palette(4), background=9)
        canvas = np.tile(colors[9], (max(height, 15), max(width, 22), 1))
        canvas[2:15, 3:22] = colors[grid % 16]
        expected[f"{name}.gif"] = canvas
    first_images["many_codes.gif"] = saved(Image.fromarray(pixels(60, 80, 1)[:, :, 0]), format="GIF")


# --- TIFF -----------------------------------------------------------------------------------------------


def make_tiffs():
    rgb = Image.fromarray(pixels(29, 37))
    grey = Image.fromarray(pixels(29, 37, 1)[:, :, 0])
    for name, compression in [("rgb_8", "raw"), ("lzw", "tiff_lzw"), ("deflate", "tiff_adobe_deflate"),
                              ("packbits", "packbits")]:
        first_images[f"{name}.tif"] = saved(rgb, format="TIFF", compression=compression)
    first_images["grey_8.tif"] = saved(grey, format="TIFF")
    first_images["bilevel.tif"] = saved(grey.convert("1"), format="TIFF")
    first_images["bilevel_group4.tif"] = saved(grey.convert("1"), format="TIFF", compression="group4")
    first_images["palette.tif"] = saved(rgb.quantize(16), format="TIFF")
    first_images["rgba.tif"] = saved(Image.fromarray(pixels(29, 37, 4)), format="TIFF")
    # As stored, which Pillow turns.
    first_images["orientation_6.tif"] = saved(rgb, format="TIFF", tiffinfo={274: 6})
    expected["orientation_6.tif"] = pixels(29, 37)
    pages = [grey, rgb]
    first_images["pages.tif"] = saved(pages[0], format="TIFF", save_all=True, append_images=pages[1:])
    # Big endian.
    strip = pixels(29, 37).tobytes()
    tags = [(256, 4, 37), (257, 4, 29), (258, 3, 8 << 16), (259, 3, 1 << 16), (262, 3, 2 << 16), (273, 4, 8),
            (277, 3, 3 << 16), (278, 4, 29), (279, 4, len(strip))]
    first_images["big_endian.tif"] = (
        b"MM\0*" + struct.pack(">I", 8 + len(strip) + 1) + strip + b"\0" + struct.pack(">H", len(tags)) +
        b"".join(struct.pack(">HHII", tag, kind, 1, value) for tag, kind, value in tags) + b"\0\0\0\0")


# --- animated WebP --------------------------------------------------------------------------------------


def make_animations():
    frames = [Image.fromarray(pixels(29, 37)), Image.fromarray(255 - pixels(29, 37))]
    first_images["animation.webp"] = saved(frames[0], format="WEBP", save_all=True, append_images=frames[1:],
                                           lossless=True)
    first_images["animation_lossy.webp"] = saved(frames[0], format="WEBP", save_all=True,
                                                 append_images=frames[1:], quality=70)


def first_image_digest(name):
    if name in expected:
        height, width = expected[name].shape[:2]
        return f"{width} {height} {crc32c(np.ascontiguousarray(expected[name]).tobytes()):08x}"
    data = first_images[name]
    image = Image.open(io.BytesIO(data)).convert("RGB")
    return f"{image.width} {image.height} {crc32c(image.tobytes()):08x}"


# --- what OpenCV makes of them --------------------------------------------------------------------------


def digest(data):
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        return "refused"
    rgb = np.ascontiguousarray(image[:, :, ::-1])
    return f"{image.shape[1]} {image.shape[0]} {crc32c(rgb.tobytes()):08x}"


def encoded_digests():
    for height, width in [(1, 1), (29, 37), (64, 48)]:
        bgr = np.ascontiguousarray(pixels(height, width)[:, :, ::-1])
        for name, extension, parameters in [("png", ".png", [cv2.IMWRITE_PNG_COMPRESSION, 3]),
                                            ("jpeg 92", ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 92]),
                                            ("jpeg 0", ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 0]),
                                            ("jpeg 100", ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 100])]:
            data = cv2.imencode(extension, bgr, parameters)[1].tobytes()
            yield f"{width} {height} {name} {len(data)} {crc32c(data):08x}"


def main():
    # Other releases decode a few of them otherwise.
    assert cv2.__version__ == "4.6.0", cv2.__version__
    make_jpegs()
    make_pngs()
    make_webps()
    make_bmps()
    make_gifs()
    make_tiffs()
    make_animations()
    os.makedirs(FOLDER, exist_ok=True)
    for name, data in {**files, **first_images}.items():
        with open(os.path.join(FOLDER, name), "wb") as file:
            file.write(data)
    with open(os.path.join(FOLDER, "digests.txt"), "w") as file:
        file.writelines(f"{name} {digest(files[name])}\n" for name in sorted(files))
    with open(os.path.join(FOLDER, "first_images.txt"), "w") as file:
        file.writelines(f"{name} {first_image_digest(name)}\n" for name in sorted(first_images))
    with open(os.path.join(FOLDER, "encoded.txt"), "w") as file:
        file.writelines(f"{line}\n" for line in encoded_digests())


if __name__ == "__main__":
    sys.exit(main())
