#include "picture.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <png.h>

#include "base/error.h"

namespace psctl::app {
namespace {

constexpr std::size_t kLetterWidth = 5, kLetterHeight = 8, kAdvance = 6;

// ASCII from ' ' to '~', 8 rows of 5 pixels each, from the highest of 40 bits on.
constexpr std::array<std::uint64_t, 95> kLetters{
    0x0000000000, 0x2108420080, 0x5280000000, 0x52beafa940, 0x23e8e2f880, 0xce44444e60, 0x45288ac9a0, 0x2100000000,
    0x1110841040, 0x4104211100, 0x012aea9000, 0x0109f21000, 0x0000001888, 0x0001f00000, 0x0000003180, 0x0844444200,
    0x74675cc5c0, 0x23084211c0, 0x74422223e0, 0xf88820c5c0, 0x11952f8840, 0xfc3c10c5c0, 0x3221e8c5c0, 0xf844442100,
    0x7462e8c5c0, 0x7462f08980, 0x0318063000, 0x0318061100, 0x1111041040, 0x003e0f8000, 0x4104111100, 0x7442220080,
    0x746f5bc1c0, 0x7463f8c620, 0xf463e8c7c0, 0x74610845c0, 0xe4a318cb80, 0xfc21e843e0, 0xfc21e84200, 0x746178c5e0,
    0x8c63f8c620, 0x71084211c0, 0x3884214980, 0x8ca98a4a20, 0x84210843e0, 0x8eeb58c620, 0x8c7359c620, 0x746318c5c0,
    0xf463e84200, 0x74631ac9a0, 0xf463ea4a20, 0x7c20e087c0, 0xf908421080, 0x8c6318c5c0, 0x8c6318a880, 0x8c635aee20,
    0x8c54454620, 0x8c54421080, 0xf8444443e0, 0x72108421c0, 0x8410410420, 0x70842109c0, 0x22a2000000, 0x00000003e0,
    0x4100000000, 0x001c17c5e0, 0x843d18c7c0, 0x001d0845c0, 0x085f18c5e0, 0x001d1fc1c0, 0x3238842100, 0x001f18bc2e,
    0x843d18c620, 0x20184211c0, 0x100c210a4c, 0x84254c5240, 0x61084211c0, 0x00355ad6a0, 0x003d18c620, 0x001d18c5c0,
    0x003d18fa10, 0x001f18bc21, 0x002d884200, 0x001f0707c0, 0x42388420c0, 0x002318c5e0, 0x002318a880, 0x00231ad540,
    0x0022a22a20, 0x002318bc2e, 0x003e2223e0, 0x1108821040, 0x2108421080, 0x4108221100, 0x0011510000,
};

// One for each character of UTF-8.
std::string ascii(std::string_view text) {
  std::string plain;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) == 0x80) continue;
    plain += byte < ' ' || byte > '~' ? '?' : c;
  }
  return plain;
}

}  // namespace

Picture::Picture(std::size_t width, std::size_t height, Rgb background)
    : width_(width), height_(height), pixels_(width * height, background) {}

void Picture::fill(std::size_t x, std::size_t y, std::size_t width, std::size_t height, Rgb colour) {
  for (std::size_t row = y; row < std::min(y + height, height_); ++row) {
    for (std::size_t column = x; column < std::min(x + width, width_); ++column) set(column, row, colour);
  }
}

void Picture::frame(std::size_t x, std::size_t y, std::size_t width, std::size_t height, Rgb colour) {
  PSCTL_CHECK(x > 0 && y > 0);
  fill(x - 1, y - 1, width + 2, 1, colour);
  fill(x - 1, y + height, width + 2, 1, colour);
  fill(x - 1, y, 1, height, colour);
  fill(x + width, y, 1, height, colour);
}

void Picture::put(std::size_t x, std::size_t y, const Picture& other) {
  for (std::size_t row = 0; row < other.height_ && y + row < height_; ++row) {
    for (std::size_t column = 0; column < other.width_ && x + column < width_; ++column) {
      set(x + column, y + row, other.at(column, row));
    }
  }
}

void Picture::text(std::size_t x, std::size_t y, std::string_view text, std::size_t scale, Rgb colour) {
  for (const char c : ascii(text)) {
    const std::uint64_t letter = kLetters[static_cast<std::size_t>(c - ' ')];
    for (std::size_t bit = 0; bit < kLetterWidth * kLetterHeight; ++bit) {
      if ((letter >> (kLetterWidth * kLetterHeight - 1 - bit) & 1) == 0) continue;
      fill(x + bit % kLetterWidth * scale, y + bit / kLetterWidth * scale, scale, scale, colour);
    }
    x += kAdvance * scale;
  }
}

std::size_t Picture::text_width(std::string_view text, std::size_t scale) {
  return ascii(text).size() * kAdvance * scale;
}

Picture Picture::scaled(std::size_t width, std::size_t height) const {
  Picture result(width, height);
  for (std::size_t y = 0; y < height; ++y) {
    const std::size_t top = y * height_ / height, bottom = std::max(top + 1, (y + 1) * height_ / height);
    for (std::size_t x = 0; x < width; ++x) {
      const std::size_t left = x * width_ / width, right = std::max(left + 1, (x + 1) * width_ / width);
      std::uint64_t red = 0, green = 0, blue = 0;
      for (std::size_t row = top; row < bottom; ++row) {
        for (std::size_t column = left; column < right; ++column) {
          const Rgb pixel = at(column, row);
          red += pixel.red;
          green += pixel.green;
          blue += pixel.blue;
        }
      }
      const std::uint64_t count = (bottom - top) * (right - left);
      const auto mean = [&](std::uint64_t sum) { return static_cast<std::uint8_t>((sum + count / 2) / count); };
      result.set(x, y, {mean(red), mean(green), mean(blue)});
    }
  }
  return result;
}

std::string Picture::png() const {
  static_assert(sizeof(Rgb) == 3);
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width_);
  image.height = static_cast<png_uint_32>(height_);
  image.format = PNG_FORMAT_RGB;
  std::string bytes(PNG_IMAGE_PNG_SIZE_MAX(image), '\0');
  png_alloc_size_t size = bytes.size();
  if (png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels_.data(), 0, nullptr) == 0) {
    throw WorldError(fmt::format("a picture of {} x {} pixels cannot be made: {}", width_, height_, image.message));
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace psctl::app
