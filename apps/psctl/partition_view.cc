#include "partition_view.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <numeric>

#include "base/error.h"
#include "base/text.h"
#include "data/load.h"
#include "data/partition.h"
#include "data/prepare.h"
#include "terminal.h"
#include "trace/line_file.h"

namespace psctl::app {
namespace {

// With more classes the table tells their number only.
constexpr std::size_t kMostColumns = 20;
constexpr std::size_t kWidestName = 12;

std::string kind_text(const data::PartitionConfig& partition) {
  switch (partition.kind) {
    case data::PartitionKind::kIid:
      return "iid";
    case data::PartitionKind::kByLabel:
      return fmt::format("by_label, {} shards a worker", partition.shards);
    case data::PartitionKind::kDirichlet:
      return fmt::format("dirichlet, alpha {}", partition.alpha);
    case data::PartitionKind::kQuantity:
      if (partition.sizes) return "quantity, sizes by list";
      return partition.law == data::SizeLaw::kPower
                 ? fmt::format("quantity, law power, exponent {}", partition.exponent.value_or(data::kDefaultExponent))
                 : "quantity, equal sizes";
  }
  PSCTL_CHECK(false);
  return {};
}

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (c == '<') {
      safe += "&lt;";
    } else if (c == '&') {
      safe += "&amp;";
    } else {
      safe += c;
    }
  }
  return safe;
}

// The first characters of a name in UTF-8, without what a terminal would obey.
std::string shortened(const std::string& name, std::size_t most = kWidestName) {
  std::string text;
  std::size_t characters = 0;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool begins = (byte & 0xc0) != 0x80;
    if (begins && characters++ == most) break;
    text += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  return text;
}

}  // namespace

void check_output(const std::string& file, const std::vector<std::string>& endings) {
  if (std::ranges::none_of(endings, [&](const std::string& ending) { return file.ends_with(ending); })) {
    throw UserError(
        fmt::format("--output: expected a name that ends in {}, found '{}'", enumerate(endings, "or"), file));
  }
  const std::filesystem::path folder = std::filesystem::absolute(file).parent_path();
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    throw UserError(fmt::format("--output: {}: there is no such folder", folder.string()));
  }
}

PartitionView::PartitionView(const config::RunConfig& config) : batch_size_(config.data.batch_size) {
  const std::size_t workers = config.cluster.workers;
  const data::Ready ready = data::prepare(config.data);
  for (const std::string& notice : ready.notices) print_notice(notice);
  const auto train = data::load(config.data, *ready.prepared, config.seed).train;
  title_ = fmt::format("{}: {} training samples of {} over {} workers, seed {}", kind_text(config.data.partition),
                       train->size(), data::name_of(config.data.source), workers, config.seed);
  class_names_ = train->class_names();
  std::vector<std::uint32_t> all(train->size());
  std::iota(all.begin(), all.end(), 0U);
  whole_ = {.counts = data::class_counts(*train, all), .samples = all.size()};
  for (const auto& part : data::partition(config.data.partition, *train, workers, config.seed)) {
    Row row{.counts = data::class_counts(*train, part), .samples = part.size()};
    row.distance = data::distance(row.counts, whole_.counts);
    rows_.push_back(std::move(row));
  }
  for (const auto& part : data::partition({}, *train, workers, config.seed)) {
    by_chance_ += data::distance(data::class_counts(*train, part), whole_.counts) / static_cast<double>(workers);
  }
}

std::string PartitionView::class_name(std::size_t label) const {
  return label < class_names_.size() ? class_names_[label] : std::to_string(label);
}

std::string PartitionView::table() const {
  const std::size_t classes = whole_.counts.size();
  const bool wide = classes <= kMostColumns;
  std::vector<std::size_t> widths;
  for (std::size_t label = 0; wide && label < classes; ++label) {
    widths.push_back(
        std::max({shortened(class_name(label)).size(), std::to_string(whole_.counts[label]).size(), std::size_t{5}}));
  }
  std::string text =
      fmt::format("{:>6} {:>9} {:>8} {:>9} {:>8}", "worker", "samples", "batches", "distance", "classes");
  for (std::size_t label = 0; label < widths.size(); ++label) {
    text += fmt::format(" {:>{}}", shortened(class_name(label)), widths[label]);
  }
  const auto add = [&](const std::string& name, const Row& row, bool is_worker) {
    const std::size_t held = classes - static_cast<std::size_t>(std::ranges::count(row.counts, 0U));
    text += fmt::format("\n{:>6} {:>9} {:>8} {:>9} {:>8}", name, row.samples,
                        is_worker ? std::to_string(row.samples / batch_size_) : "",
                        is_worker ? fmt::format("{:.3f}", row.distance) : "", held);
    for (std::size_t label = 0; label < widths.size(); ++label) {
      text += fmt::format(" {:>{}}", row.counts[label], widths[label]);
    }
  };
  for (std::size_t worker = 0; worker < rows_.size(); ++worker) add(std::to_string(worker), rows_[worker], true);
  add("all", whole_, false);
  return text + "\n";
}

void PartitionView::print() const {
  const auto samples = [](const Row& row) { return row.samples; };
  const std::size_t least = std::ranges::min(rows_, {}, samples).samples;
  const std::size_t most = std::ranges::max(rows_, {}, samples).samples;
  double mean = 0;
  for (const Row& row : rows_) mean += row.distance / static_cast<double>(rows_.size());
  fmt::print("{}\n\n{}\n", title_, table());
  if (whole_.counts.size() > kMostColumns) {
    fmt::print("{} classes are too many to show; -o FILE.csv has the count of each\n", whole_.counts.size());
  }
  fmt::print(
      "distance: total variation between the worker's shares of the classes and the whole's; 0: the same, 1: no class "
      "in common\nmean distance {:.3f}; an iid partition has {:.3f} by chance\nsizes {} to {}{}\n",
      mean, by_chance_, least, most,
      least == 0 ? "" : fmt::format(", {:.1f} times as many", static_cast<double>(most) / static_cast<double>(least)));
  const auto too_small = std::ranges::count_if(rows_, [&](const Row& row) { return row.samples < batch_size_; });
  if (too_small > 0) {
    fmt::print("{} of {} workers have less than one batch of {}: a run refuses this partition\n", too_small,
               rows_.size(), batch_size_);
  }
}

std::string PartitionView::csv() const {
  std::string text = "worker,samples,batches,distance";
  for (std::size_t label = 0; label < whole_.counts.size(); ++label) text += fmt::format(",class_{}", label);
  for (std::size_t worker = 0; worker < rows_.size(); ++worker) {
    const Row& row = rows_[worker];
    text += fmt::format("\n{},{},{},{:.6f},{}", worker, row.samples, row.samples / batch_size_, row.distance,
                        fmt::join(row.counts, ","));
  }
  return text + "\n";
}

// A row a worker and a column a class, the darker the more samples; beside it how many samples the worker has.
std::string PartitionView::svg() const {
  const std::size_t classes = whole_.counts.size();
  const int cell_width = classes <= 20 ? 44 : std::max(2, 880 / static_cast<int>(classes));
  const int cell_height = rows_.size() <= 40 ? 24 : std::max(2, 960 / static_cast<int>(rows_.size()));
  constexpr int kLeft = 70, kTop = 64, kBars = 180, kGap = 16;
  const int grid_width = cell_width * static_cast<int>(classes);
  const int grid_height = cell_height * static_cast<int>(rows_.size());
  const int width = std::max(kLeft + grid_width + kGap + kBars + kGap, 640), height = kTop + grid_height + 24;
  std::size_t most = 1, largest = 1;
  for (const Row& row : rows_) {
    most = std::max(most, std::ranges::max(row.counts));
    largest = std::max(largest, row.samples);
  }
  std::string text = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n"
      "<text x=\"{2}\" y=\"20\" font-size=\"13\">{3}</text>\n<text x=\"{2}\" y=\"38\">samples of each class</text>\n"
      "<text x=\"{4}\" y=\"38\">all samples</text>\n",
      width, height, kLeft, escaped(title_), kLeft + grid_width + kGap);
  const bool has_room = cell_width >= 30 && cell_height >= 14;
  for (std::size_t label = 0; has_room && label < classes; ++label) {
    text += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                        kLeft + cell_width * static_cast<int>(label) + cell_width / 2, kTop - 8,
                        escaped(shortened(class_name(label), 7)));
  }
  for (std::size_t worker = 0; worker < rows_.size(); ++worker) {
    const Row& row = rows_[worker];
    const int top = kTop + cell_height * static_cast<int>(worker), baseline = top + cell_height / 2 + 4;
    if (has_room) {
      text +=
          fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">worker {}</text>\n", kLeft - 8, baseline, worker);
    }
    for (std::size_t label = 0; label < classes; ++label) {
      if (row.counts[label] == 0) continue;
      // The root shows small counts, too.
      const double dark = std::sqrt(static_cast<double>(row.counts[label]) / static_cast<double>(most));
      const int left = kLeft + cell_width * static_cast<int>(label);
      const auto shade = [&](int end) { return static_cast<int>(std::lround(255 - dark * (255 - end))); };
      text += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"rgb({},{},{})\"/>\n", left, top,
                          cell_width, cell_height, shade(12), shade(52), shade(94));
      if (has_room) {
        text += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"{}\">{}</text>\n",
                            left + cell_width / 2, baseline, dark > 0.5 ? "white" : "black", row.counts[label]);
      }
    }
    const double share = static_cast<double>(row.samples) / static_cast<double>(largest);
    text += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"#808080\"/>\n",
                        kLeft + grid_width + kGap, top + 1, share * (kBars - 50), std::max(1, cell_height - 2));
    if (has_room) {
      text += fmt::format("<text x=\"{:.1f}\" y=\"{}\">{}</text>\n",
                          kLeft + grid_width + kGap + share * (kBars - 50) + 4, baseline, row.samples);
    }
  }
  text += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"black\"/>\n</svg>\n",
                      kLeft, kTop, grid_width, grid_height);
  return text;
}

// As svg(), twice as large, for letters made of pixels.
Picture PartitionView::picture() const {
  const std::size_t classes = whole_.counts.size();
  const std::size_t cell_width = classes <= 20 ? 88 : std::max<std::size_t>(4, 1760 / classes);
  const std::size_t cell_height = rows_.size() <= 40 ? 48 : std::max<std::size_t>(4, 1920 / rows_.size());
  constexpr std::size_t kLeft = 152, kTop = 128, kBars = 360, kGap = 32, kText = 2, kLetter = 16;
  const std::size_t grid_width = cell_width * classes, grid_height = cell_height * rows_.size();
  constexpr std::size_t kMostPixels = std::size_t{1} << 27;
  const std::size_t width =
      std::max(kLeft + grid_width + kGap + kBars, kGap + Picture::text_width(title_, kText)) + kGap;
  const std::size_t height = kTop + grid_height + kGap;
  if (width > kMostPixels / height) {
    throw UserError(fmt::format("--output: a picture of {} x {} pixels is too large; FILE.svg or FILE.csv can hold it",
                                width, height));
  }
  std::size_t most = 1, largest = 1;
  for (const Row& row : rows_) {
    most = std::max(most, std::ranges::max(row.counts));
    largest = std::max(largest, row.samples);
  }
  Picture picture(width, height);
  picture.text(kGap, 24, title_, kText, kBlack);
  picture.text(kLeft, 60, "samples of each class", kText, kGrey);
  picture.text(kLeft + grid_width + kGap, 60, "all samples", kText, kGrey);
  const bool has_room = cell_width >= 60 && cell_height >= 28;
  const auto centred = [&](std::size_t label, std::size_t y, const std::string& text, Rgb colour) {
    const std::size_t middle = kLeft + cell_width * label + cell_width / 2;
    picture.text(middle - Picture::text_width(text, kText) / 2, y, text, kText, colour);
  };
  for (std::size_t label = 0; has_room && label < classes; ++label) {
    centred(label, kTop - 24, shortened(class_name(label), 7), kBlack);
  }
  picture.frame(kLeft, kTop, grid_width, grid_height, kBlack);
  for (std::size_t worker = 0; worker < rows_.size(); ++worker) {
    const Row& row = rows_[worker];
    const std::size_t top = kTop + cell_height * worker,
                      line = top + (cell_height - std::min(cell_height, kLetter)) / 2;
    if (has_room) {
      const std::string name = fmt::format("worker {}", worker);
      picture.text(kLeft - 16 - std::min(kLeft - 16, Picture::text_width(name, kText)), line, name, kText, kBlack);
    }
    for (std::size_t label = 0; label < classes; ++label) {
      if (row.counts[label] == 0) continue;
      const double dark = std::sqrt(static_cast<double>(row.counts[label]) / static_cast<double>(most));
      const auto shade = [&](int end) { return static_cast<std::uint8_t>(std::lround(255 - dark * (255 - end))); };
      picture.fill(kLeft + cell_width * label, top, cell_width, cell_height, {shade(12), shade(52), shade(94)});
      if (has_room) centred(label, line, std::to_string(row.counts[label]), dark > 0.5 ? kWhite : kBlack);
    }
    const double share = static_cast<double>(row.samples) / static_cast<double>(largest);
    const auto bar = static_cast<std::size_t>(share * (kBars - 100));
    picture.fill(kLeft + grid_width + kGap, top + 1, bar, std::max<std::size_t>(1, cell_height - 2), kGrey);
    if (has_room) {
      picture.text(kLeft + grid_width + kGap + bar + 8, line, std::to_string(row.samples), kText, kBlack);
    }
  }
  return picture;
}

void PartitionView::write(const std::string& file) const {
  trace::write_whole(file, file.ends_with(".png") ? picture().png() : file.ends_with(".svg") ? svg() : csv());
}

}  // namespace psctl::app
