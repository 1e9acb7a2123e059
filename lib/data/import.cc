#include "data/import.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <zlib.h>

#include "base/error.h"
#include "base/text.h"

namespace psctl::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kGlimpseBytes = 1 << 16;

// What a Glimpse shows.
struct Look {
  std::vector<std::uint8_t> begin;
  std::vector<std::string> file_names;
  Glimpse glimpse;
  std::string damage;  // of a gzip stream of which nothing could be unpacked
};

Look look_at(const fs::path& path) {
  Look look;
  look.glimpse.path = path;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (error || !fs::exists(status)) {
    throw UserError(
        fmt::format("{}: cannot be opened: {}", path.string(), error ? error.message() : std::strerror(ENOENT)));
  }
  if (fs::is_directory(status)) {
    look.glimpse.folder = true;
    fs::directory_iterator each(path, error);
    if (error) throw UserError(fmt::format("{}: cannot be read: {}", path.string(), error.message()));
    for (const fs::directory_entry& entry : each) look.file_names.push_back(entry.path().filename().string());
    std::ranges::sort(look.file_names);
  } else if (fs::is_regular_file(status)) {
    look.glimpse.size = fs::file_size(path, error);
    const gzFile file = gzopen(path.c_str(), "rb");  // reads plain files as they are
    if (!file) throw UserError(fmt::format("{}: cannot be opened: {}", path.string(), std::strerror(errno)));
    look.begin.resize(kGlimpseBytes);
    const int count = gzread(file, look.begin.data(), kGlimpseBytes);
    look.glimpse.packed = gzdirect(file) == 0;
    if (count < 0 && look.glimpse.packed) {
      int code = Z_OK;
      look.damage = fmt::format("byte {} (packed): expected a sound gzip stream, found: {}", gzoffset(file),
                                gzerror(file, &code));
    }
    gzclose(file);
    look.begin.resize(static_cast<std::size_t>(std::max(count, 0)));
  } else {
    throw UserError(fmt::format("{}: expected a file or a folder, found something else", path.string()));
  }
  return look;
}

// What a file is packed with that no format takes; null if it is not.
const char* packing_of(const Glimpse& glimpse) {
  if (glimpse.packed) return "gzip";
  const std::string_view begin(reinterpret_cast<const char*>(glimpse.begin.data()), glimpse.begin.size());
  if (begin.starts_with("BZh")) return "bzip2";
  if (begin.starts_with("\xFD\x37zXZ")) return "xz";
  return nullptr;
}

// What a file is that people may take for one of the formats, and what to do with it; null if it is not known.
const char* stranger_of(const Glimpse& glimpse) {
  const std::string_view begin(reinterpret_cast<const char*>(glimpse.begin.data()), glimpse.begin.size());
  constexpr std::pair<std::string_view, const char*> kStrangers[] = {
      {"\x80\x02", "a Python pickle; save its arrays with numpy.savez"},
      {"\x80\x03", "a Python pickle; save its arrays with numpy.savez"},
      {"\x80\x04", "a Python pickle; save its arrays with numpy.savez"},
      {"\x80\x05", "a Python pickle; save its arrays with numpy.savez"},
      {"\x89HDF\r\n", "HDF5; save its arrays with numpy.savez"},
      {"MATLAB 5.0", "a MATLAB file; write its matrices as CSV"},
      {"PAR1", "Parquet; write it as CSV"},
      {"ARROW1", "Arrow; write it as CSV"},
      {"@relation", "ARFF; write its data as CSV"},
      {"@RELATION", "ARFF; write its data as CSV"},
      {"PK\3\4", "a zip archive of no arrays; unpack it, and write a spreadsheet as CSV"},
  };
  for (const auto& [magic, what] : kStrangers) {
    if (begin.starts_with(magic)) return what;
  }
  return nullptr;
}

// Whose files are named like this one; null: nobody's.
const Importer* importer_by_name(const Glimpse& glimpse) {
  std::string name = glimpse.path.filename().string();
  std::ranges::transform(name, name.begin(), [](unsigned char letter) { return std::tolower(letter); });
  for (const Importer& importer : importers()) {
    for (const std::string_view ending : importer.endings) {
      if (name.ends_with(ending)) return &importer;
    }
  }
  return nullptr;
}

std::vector<std::string> names_of_formats() {
  std::vector<std::string> names;
  for (const Importer& importer : importers()) names.emplace_back(importer.name);
  return names;
}

}  // namespace

std::optional<Shape> parse_shape(std::string_view text) {
  constexpr std::size_t kLargest = std::size_t{1} << 30;
  std::vector<std::size_t> sizes;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::string_view digits = text.substr(begin, text.find('x', begin) - begin);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), sizes.emplace_back());
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    if (sizes.back() == 0 || sizes.back() > kLargest || sizes.size() > 3) return std::nullopt;
    begin += digits.size() + 1;
  }
  sizes.insert(sizes.begin(), 3 - sizes.size(), 1);
  return Shape{.channels = sizes[0], .height = sizes[1], .width = sizes[2]};
}

std::string to_text(const Shape& shape) {
  if (shape.channels > 1) return fmt::format("{}x{}x{}", shape.channels, shape.height, shape.width);
  return shape.height > 1 ? fmt::format("{}x{}", shape.height, shape.width) : std::to_string(shape.width);
}

std::span<const Importer> importers() {
  static const std::array kAll{kIdxImporter,      kNumpyImporter,  kCifar10Importer,
                               kCifar100Importer, kLibsvmImporter, kCsvImporter};
  return kAll;
}

const Importer& importer_for(std::span<const Input> inputs, const std::string& format) {
  if (!format.empty()) {
    for (const Importer& importer : importers()) {
      if (format == importer.name) return importer;
    }
    const auto names = names_of_formats();
    const std::string near = nearest(format, names);
    throw UserError(fmt::format("expected a format, {}, found '{}'{}", enumerate(names, "or"), format,
                                near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near)));
  }
  PSCTL_CHECK(!inputs.empty());
  Look look = look_at(inputs.front().path);
  look.glimpse.begin = look.begin;
  look.glimpse.file_names = look.file_names;
  const Importer* const named = importer_by_name(look.glimpse);
  for (const Importer& importer : importers()) {
    if (!importer.recognises(look.glimpse)) continue;
    if (importer.is_text && named && named->name != std::string_view(importer.name)) {
      throw UserError(
          fmt::format("{}: its name says {}, its content looks like {}; say which of them it is (--format, "
                      "data.import.format)",
                      inputs.front().path.string(), named->name, importer.name));
    }
    return importer;
  }
  const std::string expected =
      fmt::format("{}: expected data as {}", inputs.front().path.string(), enumerate(names_of_formats(), "or"));
  if (look.glimpse.folder) throw UserError(expected + "; found a folder without the files of any of these");
  if (!look.damage.empty()) throw UserError(fmt::format("{}: {}", inputs.front().path.string(), look.damage));
  if (look.begin.empty()) throw UserError(expected + "; found an empty file");
  if (const char* packing = packing_of(look.glimpse)) {
    throw UserError(fmt::format("{}; found a file packed with {}: unpack it first", expected, packing));
  }
  if (const char* const stranger = stranger_of(look.glimpse)) {
    throw UserError(fmt::format("{}; found {}", expected, stranger));
  }
  if (named) return *named;
  throw UserError(expected +
                  "; its content is of none of these for certain: say which it is, if it is one of them "
                  "(--format, data.import.format)");
}

std::vector<std::string> given(const ImportOptions& options) {
  std::vector<std::string> names;
  const auto look = [&](bool set, const char* name) {
    if (set) names.emplace_back(name);
  };
  look(options.shape.has_value(), "shape");
  look(options.channels_last.has_value(), "channels");
  look(options.values.has_value(), "values");
  look(options.missing != Missing::kRefuse, "missing");
  look(options.label.has_value(), "label");
  look(options.header.has_value(), "header");
  look(options.delimiter.has_value(), "delimiter");
  look(options.first_index.has_value(), "first_index");
  look(options.features.has_value(), "features");
  return names;
}

void check_options(const Importer& importer, std::span<const Input> inputs, const ImportOptions& options) {
  for (const std::string& name : given(options)) {
    if (std::ranges::find(importer.options, name) != importer.options.end()) continue;
    std::vector<std::string> used(importer.options.begin(), importer.options.end());
    throw UserError(fmt::format("{} has no option {}; {}", importer.name, name,
                                used.empty() ? "it has none" : "it has " + enumerate(used)));
  }
  for (const Input& input : inputs) {
    if (input.labels.empty() || importer.labels_apart) continue;
    throw UserError(fmt::format("{}: {} has the labels in the same file; expected no file of labels, found {}",
                                input.path.string(), importer.name, input.labels.string()));
  }
}

void import_data(const Importer& importer, std::span<const Input> inputs, const ImportOptions& options, Sink& sink) {
  check_options(importer, inputs, options);
  importer.run(inputs, options, sink);
}

}  // namespace psctl::data
