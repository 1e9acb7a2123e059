// psctl data: one function a verb, each with arguments of its own.
#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.h"
#include "base/error.h"
#include "config/config.h"
#include "contact_sheet.h"
#include "data/inspection.h"
#include "data_fetch.h"
#include "data_files.h"
#include "data_inspect.h"
#include "partition_view.h"
#include "terminal.h"
#include "trace/line_file.h"
#include "verbs.h"

namespace psctl::app {
namespace {

// Facts about a file; the header's are printed before the samples are read.
int inspect_file(const std::string& file, const Arguments& arguments, const std::string& output) {
  if (!output.empty()) check_output(output, {".json"});
  const auto prepared = open_data(file, arguments);
  print_facts(*prepared);
  if (arguments.flag("check")) {
    prepared->check();
    fmt::print("  checked          every block is what was written\n");
  }
  std::fflush(stdout);
  data::Inspection inspection;
  {
    ProgressLine line(0, arguments.flag("quiet"));
    inspection = data::inspect(*prepared, [&](double share) { line.show("reading the samples", share); });
  }
  print_inspection(*prepared, inspection);
  if (!output.empty()) trace::write_whole(output, inspection_json(*prepared, inspection));
  return 0;
}

// On the terminal, or as a picture.
int inspect_images(const std::string& file, const Arguments& arguments, const std::string& output) {
  if (!output.empty()) check_output(output, {".png"});
  const ContactSheet sheet(*open_data(file, arguments),
                           arguments.given("per-class") ? arguments.number("per-class") : 8);
  if (output.empty()) {
    fmt::print("{}", sheet.text(terminal_columns(), shows_true_colour()));
  } else {
    const Picture picture = sheet.picture();
    trace::write_whole(output, picture.png());
    fmt::print("{}: {} x {} pixels\n", output, picture.width(), picture.height());
  }
  if (sheet.left_out() > 0) print_notice(fmt::format("{} classes more are left out", sheet.left_out()));
  return 0;
}

int inspect_partition(const Arguments& arguments, const std::string& output) {
  if (!arguments.given("config")) throw UserError("psctl data inspect --partition: --config FILE is missing");
  if (!output.empty()) check_output(output, {".png", ".svg", ".csv"});
  const config::Loaded loaded = config::load_file(arguments.word("config"), arguments.words("override"));
  for (const std::string& notice : loaded.notices) print_notice(notice);
  const PartitionView view(loaded.run);
  view.print();
  if (!output.empty()) view.write(output);
  return 0;
}

int inspect(int argc, char** argv) {
  using Kind = Option::Kind;
  std::vector<Option> known{
      {"partition", Kind::kFlag, "the parts of the workers"},
      {"images", Kind::kFlag, "some images of each class"},
      {"per-class", Kind::kNumber, "with --images: how many of each (8)"},
      {"check", Kind::kFlag, "read a prepared file whole and check every block"},
      {"config", Kind::kWord, "the configuration, a YAML file"},
      {"o,output", Kind::kWord,
       "also write the facts, FILE.json; with --partition a picture, FILE.png or "
       "FILE.svg, or the table, FILE.csv; with "
       "--images the picture, FILE.png"},
      {"quiet", Kind::kFlag, "no progress"},
      {"override", Kind::kWords, "the file; or changes of the configuration: KEY=VALUE, +KEY=VALUE, ~KEY"}};
  std::ranges::copy(import_options(), std::back_inserter(known));
  const auto arguments = Arguments::parse(
      {.program = "psctl data inspect",
       .description =
           "What is in a file of data: shape, types, ranges, missing values, samples that come twice, test samples "
           "that are among the training samples, classes. With --partition, how a configuration's training samples "
           "are dealt to its workers: the samples of each class that each worker has, how many full batches they "
           "make, and how far its mix of classes is from that of the whole. With --images, what images look like: on "
           "the "
           "terminal, in colour where COLORTERM is truecolor and NO_COLOR is not set, else in letters.",
       .synopsis = "FILE [--check] [-o FILE.json] [options of psctl data import], or FILE --images [-o FILE.png], or "
                   "--partition --config FILE [-o FILE] [KEY=VALUE ...]",
       .examples =
           "  psctl data inspect mnist.psctl --check\n"
           "  psctl data inspect flowers.csv --label species --missing mean\n"
           "  psctl data inspect fashion-mnist -o facts.json\n"
           "  psctl data inspect fashion-mnist --images --per-class 12 -o sheet.png\n"
           "  psctl data inspect --partition --config configs/noniid.yaml\n"
           "  psctl data inspect --partition --config configs/noniid.yaml data.partition.alpha=1 -o parts.png\n",
       .options = std::move(known),
       .positional = "override"},
      argc, argv);
  if (!arguments) return 0;
  const std::string output = arguments->given("output") ? arguments->word("output") : "";
  if (arguments->flag("partition")) {
    if (arguments->flag("check")) throw UserError("psctl data inspect: --check goes with a prepared file");
    if (arguments->flag("images")) throw UserError("psctl data inspect: --images and --partition do not go together");
    if (any_import_option(*arguments)) {
      throw UserError("psctl data inspect: with --partition the configuration says how files are read: data.import");
    }
    return inspect_partition(*arguments, output);
  }
  const std::vector<std::string>& files = arguments->words("override");
  if (files.size() != 1 || arguments->given("config")) {
    throw UserError("psctl data inspect: say what to inspect: FILE, or --partition --config FILE");
  }
  if (arguments->flag("images")) {
    if (arguments->flag("check")) throw UserError("psctl data inspect: --images and --check do not go together");
    return inspect_images(files.front(), *arguments, output);
  }
  if (arguments->given("per-class")) throw UserError("psctl data inspect: --per-class goes with --images");
  return inspect_file(files.front(), *arguments, output);
}

constexpr Verb kVerbs[] = {
    {"fetch", "download a public data set and prepare it", fetch_set},
    {"import", "turn files of data into one prepared file", import_files},
    {"inspect", "what is in a file of data, or how the samples are dealt to the workers", inspect},
    {"list", "the formats that are imported, and the data sets that are known by name", list_formats},
    {"synth", "draw a data set of which the best accuracy is known", synthesise_file},
};

void print_help() {
  fmt::print(
      "Imports data sets, looks at them and at how they are dealt to workers.\n\nUsage: psctl data VERB "
      "[arguments]\n\n");
  print_verbs(kVerbs);
  fmt::print(
      "\nExamples:\n"
      "  psctl data fetch mnist\n"
      "  psctl data import a9a --test a9a.t -o a9a.psctl\n"
      "  psctl data synth blobs -o blobs.psctl --classes 10 --distance 4\n"
      "  psctl data inspect a9a.psctl\n"
      "  psctl data inspect fashion-mnist --images\n"
      "  psctl data inspect --partition --config configs/noniid.yaml\n\n"
      "psctl data VERB --help tells more.\n");
}

}  // namespace

int data(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name.empty() || name == "--help" || name == "-h") {
    print_help();
    return name.empty() ? 2 : 0;
  }
  return find_verb(kVerbs, name, "psctl data").run(argc - 1, argv + 1);
}

}  // namespace psctl::app
