// Pictures of pixels, with plain text in them, as PNG.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace psctl::app {

struct Rgb {
  std::uint8_t red = 0, green = 0, blue = 0;
};
inline constexpr Rgb kBlack{0, 0, 0}, kWhite{255, 255, 255}, kGrey{112, 112, 112};

class Picture {
 public:
  Picture(std::size_t width, std::size_t height, Rgb background = kWhite);

  std::size_t width() const { return width_; }
  std::size_t height() const { return height_; }
  Rgb at(std::size_t x, std::size_t y) const { return pixels_[y * width_ + x]; }
  void set(std::size_t x, std::size_t y, Rgb colour) { pixels_[y * width_ + x] = colour; }

  // What does not fit into the picture is left out.
  void fill(std::size_t x, std::size_t y, std::size_t width, std::size_t height, Rgb colour);
  void frame(std::size_t x, std::size_t y, std::size_t width, std::size_t height, Rgb colour);  // outside of it
  void put(std::size_t x, std::size_t y, const Picture& other);
  // From its upper left corner; letters are 8 high times `scale`. Characters that are not ASCII are shown as one '?'.
  void text(std::size_t x, std::size_t y, std::string_view text, std::size_t scale, Rgb colour);
  static std::size_t text_width(std::string_view text, std::size_t scale);

  // Of another size: means of the pixels where it is smaller, pixels again where it is larger.
  Picture scaled(std::size_t width, std::size_t height) const;
  // The file's bytes. Throws WorldError where libpng fails.
  std::string png() const;

 private:
  std::size_t width_, height_;
  std::vector<Rgb> pixels_;
};

}  // namespace psctl::app
