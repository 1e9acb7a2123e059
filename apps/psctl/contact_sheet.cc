#include "contact_sheet.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <limits>
#include <string_view>
#include <tuple>

#include "base/error.h"
#include "base/text.h"
#include "data/dataset.h"
#include "data_inspect.h"

namespace psctl::app {
namespace {

constexpr std::size_t kMostClasses = 200;
constexpr std::size_t kLargestSide = 128;                  // of an image that is kept
constexpr std::size_t kMostPixels = std::size_t{1} << 25;  // of all images in the picture
constexpr std::size_t kLeastSide = 64, kGap = 4;           // there
constexpr std::string_view kShades = " .:-=+*#%@";         // from dark to bright

void check_images(const data::Prepared& prepared) {
  const data::Description& description = prepared.description();
  const auto& [channels, height, width] = description.shape;
  if (description.sparse || (channels == 1 && (height == 1 || width == 1))) {
    throw UserError(
        fmt::format("{}: --images shows images, these samples are {} of {} values; if they are images, say so when "
                    "they are imported: psctl data import --shape CHANNELSxHEIGHTxWIDTH",
                    prepared.name(), description.sparse ? "sparse rows" : "rows", description.shape.size()));
  }
  if (channels != 1 && channels != 3) {
    throw UserError(
        fmt::format("{}: --images shows images of 1 or 3 channels, these have {}", prepared.name(), channels));
  }
}

// Whole multiples of small images, so that pixels stay pixels; large ones as small as they fit.
std::pair<std::size_t, std::size_t> shown_size(const data::Shape& shape) {
  const std::size_t largest = std::max(shape.height, shape.width);
  if (largest <= kLargestSide) return {shape.width, shape.height};
  const auto side = [&](std::size_t length) { return std::max<std::size_t>(1, length * kLargestSide / largest); };
  return {side(shape.width), side(shape.height)};
}

template <class Value, class Shade>
Picture image_of(std::span<const Value> values, const data::Shape& shape, const Shade& shade) {
  Picture image(shape.width, shape.height);
  const std::size_t plane = shape.channels == 3 ? shape.height * shape.width : 0;
  for (std::size_t y = 0; y < shape.height; ++y) {
    for (std::size_t x = 0; x < shape.width; ++x) {
      const std::size_t i = y * shape.width + x;
      image.set(x, y, {shade(values[i]), shade(values[i + plane]), shade(values[i + 2 * plane])});
    }
  }
  return image;
}

}  // namespace

ContactSheet::ContactSheet(const data::Prepared& prepared, std::size_t per_class) : per_class_(per_class) {
  check_images(prepared);
  const data::Shape& shape = prepared.description().shape;
  std::tie(width_, height_) = shown_size(shape);
  const std::size_t shown = std::min(prepared.classes(), kMostClasses);
  left_out_ = prepared.classes() - shown;
  const std::size_t side = std::max({width_, height_, kLeastSide}) + kGap;
  const std::size_t most_images = std::clamp<std::size_t>(kMostPixels / (side * side * shown), 1, 1000);
  if (per_class < 1 || per_class > most_images) {
    throw UserError(fmt::format("--per-class: expected from 1 to {} images of each of {}, found {}", most_images,
                                counted(shown, "class", "classes"), per_class));
  }
  const data::Dataset train(prepared.part(data::Part::kTrain));
  std::vector<std::vector<std::uint32_t>> members(shown);
  classes_.resize(shown);
  for (std::uint32_t sample = 0; sample < train.size(); ++sample) {
    const std::uint32_t label = train.labels()[sample];
    if (label >= shown) continue;
    if (members[label].size() < per_class) members[label].push_back(sample);
    ++classes_[label].samples;
  }
  const bool floats = prepared.description().values == data::Values::kFloats;
  float least = std::numeric_limits<float>::infinity(), most = -least;
  for (const auto& of_class : members) {
    for (const std::uint32_t sample : of_class) {
      if (!floats) continue;
      const auto [low, high] = std::ranges::minmax(train.floats(sample));
      least = std::min(least, low);
      most = std::max(most, high);
    }
  }
  const double scale = most > least ? 255 / (static_cast<double>(most) - least) : 0;
  const auto of_float = [&](float value) {
    return static_cast<std::uint8_t>(std::clamp((static_cast<double>(value) - least) * scale + 0.5, 0.0, 255.0));
  };
  const auto of_byte = [](std::uint8_t value) { return value; };
  for (std::size_t label = 0; label < shown; ++label) {
    classes_[label].name = class_name(prepared, label, 24);
    for (const std::uint32_t sample : members[label]) {
      const Picture image =
          floats ? image_of(train.floats(sample), shape, of_float) : image_of(train.bytes(sample), shape, of_byte);
      classes_[label].images.push_back(image.scaled(width_, height_));
    }
  }
  title_ = std::filesystem::path(prepared.name()).filename().string();
  subtitle_ =
      fmt::format("{} x {} x {}, the first training images of each class", shape.channels, shape.height, shape.width);
}

Picture ContactSheet::picture() const {
  constexpr std::size_t kMargin = 16, kTop = 60, kText = 2, kSmall = 1, kLine = 20;
  const std::size_t factor = std::max<std::size_t>(1, kLeastSide / std::max(width_, height_));
  const std::size_t cell_width = width_ * factor, cell_height = std::max(height_ * factor, 2 * kLine);
  std::size_t names = 0, images = 0;
  for (const Class& each : classes_) {
    names = std::max(
        {names, Picture::text_width(each.name, kText), Picture::text_width(counted(each.samples, "sample"), kSmall)});
    images = std::max(images, each.images.size());
  }
  const std::size_t left = kMargin + names + kMargin;
  const std::size_t heading = std::max(Picture::text_width(title_, kText), Picture::text_width(subtitle_, kSmall));
  Picture sheet(std::max(left + images * (cell_width + kGap), kMargin + heading) + kMargin,
                kTop + classes_.size() * (cell_height + kGap) + kMargin);
  sheet.text(kMargin, kMargin, title_, kText, kBlack);
  sheet.text(kMargin, kMargin + kLine, subtitle_, kSmall, kGrey);
  std::size_t y = kTop;
  for (const Class& each : classes_) {
    const std::size_t text_top = y + (cell_height - 2 * kLine) / 2 + kLine / 4;
    sheet.text(kMargin, text_top, each.name, kText, kBlack);
    sheet.text(kMargin, text_top + kLine, counted(each.samples, "sample"), kSmall, kGrey);
    std::size_t x = left;
    for (const Picture& image : each.images) {
      sheet.put(x, y, image.scaled(width_ * factor, height_ * factor));
      x += cell_width + kGap;
    }
    y += cell_height + kGap;
  }
  return sheet;
}

std::string ContactSheet::text(std::size_t columns, bool colour) const {
  constexpr std::size_t kLeastColumns = 16;
  const std::size_t wanted = std::max(kLeastColumns + 1, (columns + 1) / per_class_) - 1;
  const std::size_t width = std::max<std::size_t>(1, std::min({width_, wanted, columns}));
  // A character is about twice as high as it is wide: it holds two pixels.
  const std::size_t lines = std::max<std::size_t>(1, (height_ * width / width_ + 1) / 2);
  const std::size_t fit = std::max<std::size_t>(1, (columns + 1) / (width + 1));
  std::string text = fmt::format("{}: {}\n", title_, subtitle_);
  for (const Class& each : classes_) {
    text += fmt::format("\n{} ({})\n", each.name, counted(each.samples, "sample"));
    std::vector<Picture> images;
    for (std::size_t i = 0; i < std::min(fit, each.images.size()); ++i) {
      images.push_back(each.images[i].scaled(width, colour ? 2 * lines : lines));
    }
    for (std::size_t line = 0; line < lines && !images.empty(); ++line) {
      for (std::size_t i = 0; i < images.size(); ++i) {
        if (i > 0) text += ' ';
        for (std::size_t x = 0; x < width; ++x) {
          if (colour) {
            const Rgb upper = images[i].at(x, 2 * line), lower = images[i].at(x, 2 * line + 1);
            text += fmt::format("\033[38;2;{};{};{};48;2;{};{};{}m\u2580", upper.red, upper.green, upper.blue,
                                lower.red, lower.green, lower.blue);
          } else {
            const Rgb pixel = images[i].at(x, line);
            // Brightness as television has it (ITU-R BT.601).
            const double bright = 0.299 * pixel.red + 0.587 * pixel.green + 0.114 * pixel.blue;
            text += kShades[static_cast<std::size_t>(bright / 256 * static_cast<double>(kShades.size()))];
          }
        }
        if (colour) text += "\033[0m";
      }
      // Blanks at a line's end are nothing to see.
      while (!colour && text.back() == ' ') text.pop_back();
      text += '\n';
    }
  }
  return text;
}

}  // namespace psctl::app
