#include "data_fetch.h"

#include <fmt/format.h>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.h"
#include "base/error.h"
#include "base/text.h"
#include "data/catalogue.h"
#include "data/prepared.h"
#include "fetch/fetch.h"
#include "terminal.h"

namespace psctl::app {
namespace {

std::string size_of(const data::KnownSet& set) {
  std::uint64_t bytes = 0;
  for (const data::RemoteFile& file : set.files) {
    if (file.bytes == 0) return "size not published";
    bytes += file.bytes;
  }
  return in_bytes(bytes);
}

const data::KnownSet& set_of(const std::vector<std::string>& words) {
  const std::vector<std::string> names = data::known_names();
  if (words.size() != 1) {
    throw UserError(fmt::format("psctl data fetch: say which data set: {}", enumerate(names, "or")));
  }
  if (const data::KnownSet* set = data::find_known(words.front())) return *set;
  const std::string near = nearest(words.front(), names);
  throw UserError(fmt::format("psctl data fetch: expected a known data set, {}, found '{}'{}", enumerate(names, "or"),
                              words.front(), near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near)));
}

void print_result(const data::KnownSet& set, const fetch::Request& request, const fetch::Fetched& fetched) {
  fmt::print("{}{}\n", fetched.path.string(), fetched.was_there ? ": is there already" : "");
  if (!request.raw) {
    const auto prepared = data::Prepared::open(fetched.path);
    fmt::print("  samples      {} for training, {} for testing\n", prepared->size(data::Part::kTrain),
               prepared->size(data::Part::kTest));
    const bool by_name = data::place_of(set) == fetched.path;
    fmt::print("  data.source  {}\n", by_name ? set.name : fetched.path.string());
  }
  fmt::print("  licence      {}\n  cite         {}\n", set.licence, set.citation);
}

}  // namespace

void print_catalogue() {
  for (const data::KnownSet& set : data::catalogue()) {
    const std::filesystem::path place = data::place_of(set);
    fmt::print("{:<14}{}\n", set.name, set.what);
    fmt::print("{:<14}{} + {} samples, {} classes; {}; {}\n", "", set.train, set.test, set.classes, size_of(set),
               set.licence);
    fmt::print("{:<14}{}\n", "", place.empty() ? "not on this machine: " + data::how_to_get(set) : place.string());
  }
}

int fetch_set(int argc, char** argv) {
  using Kind = Option::Kind;
  const fetch::Patience patience;
  const std::string tries = std::to_string(patience.tries), stall = std::to_string(patience.stall.count());
  const auto arguments = Arguments::parse(
      {.program = "psctl data fetch",
       .description =
           "Downloads a public data set, checks it and makes a prepared file of it, which data.source then takes by "
           "its name. An interrupted download is continued by the next one. Nothing is ever fetched without this "
           "command.",
       .synopsis = "NAME [--to DIR] [--from URL] [--raw], or --list",
       .examples = "  psctl data fetch --list\n"
                   "  psctl data fetch mnist\n"
                   "  psctl data fetch cifar-10 --to /srv/data\n"
                   "  psctl data fetch a9a --from http://mirror.example/libsvm --raw\n",
       .options = {{"name", Kind::kWords, "a data set of --list"},
                   {"list", Kind::kFlag, "the data sets that are known by name"},
                   {"to", Kind::kWord, "the folder of data sets, instead of $PSCTL_DATA or else data"},
                   {"from", Kind::kWord, "the address of a mirror; the names of the files are added to it"},
                   {"raw", Kind::kFlag, "keep the files as they are served, in DIR/NAME; import nothing"},
                   {"tries", Kind::kNumber, "how often each address is tried", tries.c_str()},
                   {"patience", Kind::kNumber, "seconds without data after which a try is given up", stall.c_str()},
                   {"quiet", Kind::kFlag, "no progress"}},
       .positional = "name"},
      argc, argv);
  if (!arguments) return 0;
  if (arguments->flag("list")) {
    if (!arguments->words("name").empty()) throw UserError("psctl data fetch: --list goes without a name");
    print_catalogue();
    return 0;
  }
  const data::KnownSet& set = set_of(arguments->words("name"));
  for (const char* option : {"to", "from"}) {
    if (arguments->given(option) && arguments->word(option).empty()) {
      throw UserError(fmt::format("--{}: expected {}, found nothing", option,
                                  option == std::string_view("to") ? "a folder" : "an address"));
    }
  }
  constexpr std::size_t kMost = 1000;
  for (const char* option : {"tries", "patience"}) {
    const std::size_t number = arguments->number(option);
    if (number < 1 || number > kMost) {
      throw UserError(fmt::format("--{}: expected a whole number from 1 to {}, found {}", option, kMost, number));
    }
  }
  std::optional<ProgressLine> line;
  const auto new_line = [&] { line.emplace(0, arguments->flag("quiet")); };
  new_line();
  fetch::Request request{.set = set,
                         .folder = arguments->given("to") ? arguments->word("to") : data::data_folder().string(),
                         .from = arguments->given("from") ? arguments->word("from") : "",
                         .raw = arguments->flag("raw")};
  request.patience.tries = arguments->number("tries");
  request.patience.stall = std::chrono::seconds(arguments->number("patience"));
  request.interrupted = &catch_signals();
  request.progress = [&](const std::string& what, std::uint64_t done, std::uint64_t total) {
    if (total > 0) {
      line->show(fmt::format("{}, {} of {}", what, in_bytes(done), in_bytes(total)),
                 static_cast<double>(done) / static_cast<double>(total));
    } else {
      line->show(fmt::format("{}, {}", what, in_bytes(done)));
    }
  };
  request.say = [&](const std::string& text) {
    line.reset();  // leaves its line clean
    print_notice(text);
    new_line();
  };
  const std::optional<fetch::Fetched> fetched = fetch::fetch(request);
  line.reset();
  if (!fetched) {
    print_notice(fmt::format("interrupted; what is there is kept, and psctl data fetch {} goes on from it", set.name));
    return 130;
  }
  print_result(set, request, *fetched);
  return 0;
}

}  // namespace psctl::app
