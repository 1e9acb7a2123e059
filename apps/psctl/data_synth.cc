// psctl data synth: data sets that are drawn, and of which the best accuracy is known.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "arguments.h"
#include "base/error.h"
#include "base/sha256.h"
#include "base/text.h"
#include "data/prepared.h"
#include "data/synthetic.h"
#include "data_files.h"
#include "data_inspect.h"
#include "terminal.h"

namespace psctl::app {
namespace {

namespace fs = std::filesystem;
using data::SyntheticKind;

struct Interrupted {};

struct KindOptions {
  const char* name;
  SyntheticKind kind;
  std::vector<std::string> options;  // of this kind only
  std::uint64_t features, classes;   // by default
};

const std::vector<KindOptions> kKinds{
    {"blobs", SyntheticKind::kBlobs, {"classes", "distance"}, 20, 2},
    {"teacher", SyntheticKind::kTeacher, {"classes", "hidden", "label-noise"}, 20, 10},
    {"sparse", SyntheticKind::kSparse, {"entries", "exponent", "signal"}, 100'000, 2},
};

template <class Number>
void set(const Arguments& arguments, const std::string& option, Number& number) {
  if (!arguments.given(option)) return;
  const std::string& text = arguments.word(option);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return;
  throw UserError(fmt::format("--{}: expected {}, found '{}'", option,
                              std::is_integral_v<Number> ? "a whole number from 0 to 2^64" : "a number", text));
}

const KindOptions& kind_of(const std::vector<std::string>& words) {
  std::vector<std::string> names;
  for (const KindOptions& kind : kKinds) {
    if (words.size() == 1 && words.front() == kind.name) return kind;
    names.emplace_back(kind.name);
  }
  if (words.size() != 1) throw UserError(fmt::format("psctl data synth: say one KIND: {}", enumerate(names, "or")));
  const std::string near = nearest(words.front(), names);
  throw UserError(fmt::format("psctl data synth: there is no kind {}{}; there are {}", words.front(),
                              near.empty() ? "" : fmt::format(" (did you mean {}?)", near), enumerate(names)));
}

data::SyntheticConfig config_of(const Arguments& arguments) {
  const KindOptions& kind = kind_of(arguments.words("kind"));
  for (const KindOptions& other : kKinds) {
    for (const std::string& option : other.options) {
      if (!arguments.given(option) || std::ranges::find(kind.options, option) != kind.options.end()) continue;
      throw UserError(fmt::format("--{}: {} has no such option; its own are --{}", option, kind.name,
                                  fmt::join(kind.options, ", --")));
    }
  }
  data::SyntheticConfig config{.kind = kind.kind, .features = kind.features, .classes = kind.classes};
  set(arguments, "seed", config.seed);
  set(arguments, "samples", config.samples);
  set(arguments, "validation", config.validation);
  set(arguments, "test", config.test);
  set(arguments, "features", config.features);
  set(arguments, "classes", config.classes);
  set(arguments, "distance", config.distance);
  set(arguments, "hidden", config.hidden);
  set(arguments, "label-noise", config.label_noise);
  set(arguments, "entries", config.entries);
  set(arguments, "exponent", config.exponent);
  set(arguments, "signal", config.signal);
  check(config);
  return config;
}

// Before hours are spent on drawing what has no room.
void check_room(const data::SyntheticConfig& config, const std::string& file) {
  const double samples = static_cast<double>(config.samples) + static_cast<double>(config.validation + config.test);
  const double bytes = samples * data::Law::of(config)->bytes_per_sample();
  std::error_code error;
  const fs::space_info space = fs::space(fs::absolute(file).parent_path(), error);
  if (error || bytes <= static_cast<double>(space.available)) return;
  throw UserError(fmt::format("{}: {:.0f} samples take about {}, and {} are free there", file, samples,
                              in_bytes(static_cast<std::uint64_t>(bytes)), in_bytes(space.available)));
}

}  // namespace

int synthesise_file(int argc, char** argv) {
  using Kind = Option::Kind;
  const auto arguments = Arguments::parse(
      {.program = "psctl data synth",
       .description =
           "Draws a data set of which the best accuracy is known, into a prepared file: blobs (normal classes), "
           "teacher (labels of a random network) or sparse (logistic labels, features by a power law).",
       .synopsis = "KIND -o OUT [options]",
       .examples = "  psctl data synth blobs -o blobs.psctl --classes 10 --distance 4\n"
                   "  psctl data synth teacher -o teacher.psctl --features 100 --label-noise 0.1\n"
                   "  psctl data synth sparse -o sparse.psctl --samples 100000 --features 1000000 --exponent 1.1\n"
                   "  psctl train --config configs/logistic.yaml data.source=blobs.psctl\n",
       .options = {{"kind", Kind::kWords, "blobs, teacher or sparse"},
                   {"o,output", Kind::kWord, "the file to write", nullptr, true},
                   {"samples", Kind::kWord, "training samples (10000)"},
                   {"validation", Kind::kWord, "validation samples (0)"},
                   {"test", Kind::kWord, "test samples (2000)"},
                   {"features", Kind::kWord, "values a sample (20; sparse: 100000)"},
                   {"seed", Kind::kWord, "the same seed draws the same data (1)"},
                   {"classes", Kind::kWord, "blobs (2), teacher (10)"},
                   {"distance", Kind::kWord, "blobs: between centres, in deviations of the noise (3)"},
                   {"hidden", Kind::kWord, "teacher: units of its hidden layer (32)"},
                   {"label-noise", Kind::kWord, "teacher: share of labels replaced by another (0)"},
                   {"entries", Kind::kWord, "sparse: features drawn for a sample (30)"},
                   {"exponent", Kind::kWord, "sparse: a feature's frequency is rank^-exponent (1)"},
                   {"signal", Kind::kWord, "sparse: deviation of the logit, about; more is easier (3)"},
                   {"quiet", Kind::kFlag, "no progress"}},
       .positional = "kind"},
      argc, argv);
  if (!arguments) return 0;
  const data::SyntheticConfig config = config_of(*arguments);
  const std::string& file = arguments->word("output");
  check_room(config, file);
  const std::atomic<bool>& interrupted = catch_signals();
  try {
    data::PreparedWriter writer(file, data::Missing::kRefuse);
    Sha256 source;
    const std::string law = fmt::format("{}; {} + {} + {} samples", data::Law::of(config)->description(),
                                        config.samples, config.validation, config.test);
    source.add(std::as_bytes(std::span(law)));
    writer.set_source(source.finish_raw());
    ProgressLine line(0, arguments->flag("quiet"));
    synthesise(config, writer, [&](double share) {
      if (interrupted) throw Interrupted();
      line.show("drawing samples", share);
    });
    print_facts(*writer.open());
  } catch (const Interrupted&) {
    print_error(fmt::format("interrupted: {} was not written", file));
    return 130;
  }
  return 0;
}

}  // namespace psctl::app
