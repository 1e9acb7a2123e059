#include "data_files.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <iterator>
#include <string_view>
#include <tuple>
#include <vector>

#include "arguments.h"
#include "base/error.h"
#include "base/text.h"
#include "data/dataset.h"
#include "data/import.h"
#include "data/normalize.h"
#include "data/prepare.h"
#include "data/prepared.h"
#include "data/source.h"
#include "data_fetch.h"
#include "data_inspect.h"
#include "terminal.h"

namespace psctl::app {
namespace {

namespace fs = std::filesystem;
using data::Part;

template <class Number>
Number whole_number(const std::string& option, std::string_view text, Number least, Number most) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most) {
    throw UserError(fmt::format("--{}: expected a whole number from {} to {}, found '{}'", option, least, most, text));
  }
  return number;
}

data::Shape shape_of(const std::string& text) {
  if (const auto shape = data::parse_shape(text)) return *shape;
  throw UserError(fmt::format("--shape: expected CHANNELSxHEIGHTxWIDTH, found '{}'", text));
}

template <class Value>
Value one_of(const Arguments& arguments, const std::string& option,
             const std::vector<std::pair<std::string, Value>>& values) {
  std::vector<std::string> names;
  for (const auto& [name, value] : values) {
    if (arguments.word(option) == name) return value;
    names.push_back(name);
  }
  throw UserError(fmt::format("--{}: expected {}, found '{}'", option, enumerate(names, "or"), arguments.word(option)));
}

data::ImportOptions options_of(const Arguments& arguments) {
  data::ImportOptions options;
  const auto given = [&](const char* name) { return arguments.given(name); };
  if (given("shape")) options.shape = shape_of(arguments.word("shape"));
  if (given("channels")) {
    options.channels_last = one_of<bool>(arguments, "channels", {{"first", false}, {"last", true}});
  }
  if (given("values")) {
    options.values =
        one_of<data::Values>(arguments, "values", {{"bytes", data::Values::kBytes}, {"floats", data::Values::kFloats}});
  }
  if (given("missing")) {
    options.missing = one_of<data::Missing>(
        arguments, "missing",
        {{"refuse", data::Missing::kRefuse}, {"zero", data::Missing::kZero}, {"mean", data::Missing::kMean}});
  }
  if (given("label")) options.label = arguments.word("label");
  if (given("header")) options.header = one_of<bool>(arguments, "header", {{"yes", true}, {"no", false}});
  if (given("delimiter")) {
    options.delimiter = one_of<char>(arguments, "delimiter",
                                     {{",", ','},
                                      {"comma", ','},
                                      {"tab", '\t'},
                                      {";", ';'},
                                      {"semicolon", ';'},
                                      {"bar", '|'},
                                      {"|", '|'},
                                      {"space", ' '}});
  }
  if (given("first-index")) {
    options.first_index = whole_number<std::uint32_t>("first-index", arguments.word("first-index"), 0, 1);
  }
  if (given("features")) {
    options.features = whole_number<std::uint64_t>("features", arguments.word("features"), 1, std::uint64_t{1} << 32);
  }
  return options;
}

// Passes samples on and keeps what the user should be told.
class Listening final : public data::Sink {
 public:
  explicit Listening(data::Sink& sink) : sink_(sink) {}
  void begin(const data::Description& description) override { sink_.begin(description); }
  void begin_part(Part part) override { sink_.begin_part(part); }
  void add(const data::Rows& rows) override { sink_.add(rows); }
  void end(const data::Summary& summary) override {
    sink_.end(summary);
    notes_ = summary.notes;
  }
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  data::Sink& sink_;
  std::vector<std::string> notes_;
};

// The files of every part, each with its file of labels if there are any.
std::vector<data::Input> inputs_of(const Arguments& arguments) {
  std::vector<data::Input> inputs;
  for (const auto& [part, option, labels_option] :
       {std::tuple(Part::kTrain, "in", "labels"), std::tuple(Part::kValidation, "validation", "validation-labels"),
        std::tuple(Part::kTest, "test", "test-labels")}) {
    const std::vector<std::string>& files = arguments.words(option);
    const std::vector<std::string>& labels = arguments.words(labels_option);
    if (!labels.empty() && labels.size() != files.size()) {
      throw UserError(fmt::format("--{}: expected a file of labels for each of {} of samples, found {}", labels_option,
                                  counted(files.size(), "file"), labels.size()));
    }
    for (std::size_t i = 0; i < files.size(); ++i) {
      inputs.push_back({.path = data::path_of_source(files[i]),
                        .part = part,
                        .labels = labels.empty() ? fs::path() : fs::path(labels[i])});
    }
  }
  return inputs;
}

// A pipe would keep who reads it waiting, a device never ends.
void check_kind(const fs::path& path, bool folder_allowed) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (error) throw UserError(fmt::format("{}: cannot be opened: {}", path.string(), error.message()));
  const bool folder = fs::is_directory(status);
  if (!fs::is_regular_file(status) && !(folder && folder_allowed)) {
    throw UserError(fmt::format("{}: expected a file{}, found {}", path.string(), folder_allowed ? " or a folder" : "",
                                folder ? "a folder" : "something else"));
  }
}

void check_not_written(const fs::path& input, const fs::path& output) {
  std::error_code error;
  if (fs::equivalent(input, output, error)) {
    throw UserError(fmt::format("{}: expected another file to write than those to read", input.string()));
  }
}

const data::Importer& importer_of(const Arguments& arguments, const std::vector<data::Input>& inputs) {
  return data::importer_for(inputs, arguments.given("format") ? arguments.word("format") : "");
}

}  // namespace

std::vector<Option> import_options() {
  using Kind = Option::Kind;
  return {{"format", Kind::kWord, "the format, if the content does not tell (psctl data list)"},
          {"shape", Kind::kWord, "how a row is an image: CHANNELSxHEIGHTxWIDTH"},
          {"channels", Kind::kWord, "first or last: which axis of an array of images the channels are"},
          {"values", Kind::kWord, "bytes or floats"},
          {"missing", Kind::kWord, "what becomes of missing values: refuse, zero or mean"},
          {"label", Kind::kWord, "the labels' column, by name or by number from 1, or array (.npz)"},
          {"header", Kind::kWord, "yes or no: whether the first line names the columns"},
          {"delimiter", Kind::kWord, "comma, tab, semicolon, bar or space (any number of blanks)"},
          {"first-index", Kind::kWord, "0 or 1: the first feature's number"},
          {"features", Kind::kWord, "how many features there are, where the files may not show all"}};
}

bool any_import_option(const Arguments& arguments) {
  return std::ranges::any_of(import_options(), [&](const Option& option) { return arguments.given(option.name); });
}

int import_files(int argc, char** argv) {
  using Kind = Option::Kind;
  std::vector<Option> known{{"in", Kind::kWords, "files of the training part, a folder, or a data set known by name"},
                            {"o,output", Kind::kWord, "the file to write", nullptr, true},
                            {"test", Kind::kWords, "a file of the test part; may be given many times"},
                            {"validation", Kind::kWords, "a file of the validation part; may be given many times"},
                            {"labels", Kind::kWords, "the labels, where they are a file of their own; one for each IN"},
                            {"validation-labels", Kind::kWords, "the same for each --validation"},
                            {"test-labels", Kind::kWords, "the same for each --test"}};
  std::ranges::copy(import_options(), std::back_inserter(known));
  const auto arguments = Arguments::parse(
      {.program = "psctl data import",
       .description = "Turns files of data into one prepared file, which runs use where it lies: it opens at once, is "
                      "shared by all processes and may be larger than memory.",
       .synopsis = "IN... -o OUT [--format FORMAT] [--test FILE] [options]",
       .examples = "  psctl data import cifar-10-batches-bin -o cifar10.psctl\n"
                   "  psctl data import fashion-mnist -o fashion.psctl\n"
                   "  psctl data import mnist.npz -o mnist.psctl\n"
                   "  psctl data import x.npy --labels y.npy --test xt.npy --test-labels yt.npy -o data.psctl\n"
                   "  psctl data import a9a --test a9a.t -o a9a.psctl\n"
                   "  psctl data import train.csv --test test.csv --label species -o iris.psctl\n",
       .options = std::move(known),
       .positional = "in"},
      argc, argv);
  if (!arguments) return 0;
  const std::vector<data::Input> inputs = inputs_of(*arguments);
  if (arguments->words("in").empty()) throw UserError("psctl data import: say what to import: a file, or a folder");
  for (const data::Input& input : inputs) {
    check_kind(input.path, true);
    if (data::is_prepared(input.path)) {
      throw UserError(fmt::format("{}: is prepared already: data.source takes it as it is", input.path.string()));
    }
    check_not_written(input.path, arguments->word("output"));
    if (input.labels.empty()) continue;
    check_kind(input.labels, false);
    check_not_written(input.labels, arguments->word("output"));
  }
  const data::ImportOptions options = options_of(*arguments);
  const data::Importer& importer = importer_of(*arguments, inputs);
  data::PreparedWriter writer(arguments->word("output"), options.missing, data::name_of(arguments->words("in")));
  Listening listening(writer);
  writer.set_source(data::digest_of(inputs, data::files_of(importer, inputs)));
  data::import_data(importer, inputs, options, listening);
  for (const std::string& note : listening.notes()) print_notice(note);
  const auto made = writer.open();
  const std::string scales = data::notice_of_scales({}, data::Dataset(made->part(Part::kTrain)));
  if (!scales.empty()) print_notice(scales);
  print_facts(*made);
  return 0;
}

int list_formats(int argc, char** argv) {
  const auto arguments = Arguments::parse(
      {.program = "psctl data list",
       .description = "The formats that psctl imports, the data sets that it knows by name, and what runs keep.",
       .synopsis = "",
       .examples = "  psctl data list\n",
       .options = {},
       .positional = ""},
      argc, argv);
  if (!arguments) return 0;
  fmt::print("Formats:\n");
  for (const data::Importer& importer : data::importers()) {
    fmt::print("{:<10}{}\n", importer.name, importer.holds);
    if (importer.options.empty()) continue;
    std::vector<std::string> names;
    for (const std::string_view option : importer.options) {
      names.push_back("--" + std::string(option));
      std::ranges::replace(names.back(), '_', '-');
    }
    fmt::print("{:<10}options: {}\n", "", fmt::join(names, ", "));
  }
  fmt::print("\nData sets known by name:\n");
  print_catalogue();
  if (const fs::path cache = data::cache_folder(); !cache.empty()) {
    std::uintmax_t files = 0, bytes = 0;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(cache, ignored)) ++files, bytes += entry.file_size(ignored);
    fmt::print("\nWhat runs prepared of such files is kept in {}: {}, {}; remove them at any time\n", cache.string(),
               counted(files, "file"), in_bytes(bytes));
  }
  return 0;
}

std::shared_ptr<const data::Prepared> open_data(const std::string& file, const Arguments& arguments) {
  const std::vector<data::Input> inputs{{data::path_of_source(file), Part::kTrain, {}}};
  check_kind(inputs.front().path, true);
  if (data::is_prepared(inputs.front().path)) {
    if (any_import_option(arguments)) {
      throw UserError(fmt::format("{}: is prepared already: options of an import say nothing about it", file));
    }
    return data::Prepared::open(inputs.front().path);
  }
  const data::ImportOptions options = options_of(arguments);
  const data::Importer& importer = importer_of(arguments, inputs);
  const auto writer = data::PreparedWriter::in_memory(file, options.missing);
  writer->set_source(data::digest_of(inputs, data::files_of(importer, inputs)));
  data::import_data(importer, inputs, options, *writer);
  return writer->open();
}

}  // namespace psctl::app
