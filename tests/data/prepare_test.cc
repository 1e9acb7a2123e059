// What is imported is kept and found again; whatever happens to the place where it is kept, the samples are right.
#include "data/prepare.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/error.h"
#include "data/load.h"
#include "support/batches.h"
#include "support/folder.h"
#include "support/text.h"

using namespace psctl;
using namespace psctl::data;
namespace fs = std::filesystem;

namespace {

// A variable of the environment, until it is let go.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* was = ::getenv(name)) was_ = was;
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() { was_ ? ::setenv(name_, was_->c_str(), 1) : ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> was_;
};

const std::string kTrain = "x,y,kind\n1,2,a\n3,4,b\n5,6,a\n7,9,b\n", kTest = "x,y,kind\n1,1,b\n2,2,a\n";

// Two small files and a cache of their own.
struct Place {
  psctl::test::TemporaryFolder folder;
  std::string cache = folder / "cache";
  Variable variable{"PSCTL_CACHE", cache};
  DataConfig config;

  Place() {
    psctl::test::write_file(folder / "train.csv", kTrain);
    psctl::test::write_file(folder / "test.csv", kTest);
    config.source = {folder / "train.csv"};
    config.test.files = {folder / "test.csv"};
    config.normalize.kind = Normalize::kNone;
  }
  std::vector<fs::path> entries() const {
    std::vector<fs::path> entries;
    for (const auto& entry : fs::directory_iterator(cache)) entries.push_back(entry.path());
    return entries;
  }
  std::string digest(const Ready& ready) const {
    const Splits splits = load(config, *ready.prepared, 1);
    return splits.train->digest() + splits.test->digest();
  }
};

using test::contains;

std::string refusal(const DataConfig& config) {
  try {
    prepare(config);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no fault";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(preparing)

BOOST_AUTO_TEST_CASE(a_source_is_imported_once_and_found_again) {
  const Place place;
  const Ready first = prepare(place.config);
  BOOST_TEST_REQUIRE(first.notices.size() >= 2U);
  BOOST_TEST(first.notices[0].starts_with("prepared " + (place.folder / "train.csv") + " (6 samples) in "));
  BOOST_TEST(first.notices[0].ends_with(" s, kept as " + first.path), first.notices[0]);
  BOOST_TEST((std::ranges::find(first.notices, "labels a, b became classes 0, 1") != first.notices.end()));
  const auto written = fs::last_write_time(first.path);
  const Ready again = prepare(place.config);
  BOOST_TEST(again.notices.empty());
  BOOST_TEST(again.path == first.path);
  BOOST_TEST((fs::last_write_time(first.path) == written));
  BOOST_TEST(place.digest(again) == place.digest(first));
  BOOST_TEST(place.entries().size() == 1U);
  fs::create_directory(place.folder / "elsewhere");
  fs::rename(place.folder / "train.csv", place.folder / "elsewhere/train.csv");
  DataConfig moved = place.config;
  moved.source = {place.folder / "elsewhere/train.csv"};
  BOOST_TEST(prepare(moved).notices.empty());
}

BOOST_AUTO_TEST_CASE(other_content_and_other_options_are_imported_anew) {
  Place place;
  const Ready first = prepare(place.config);
  const std::string digest = place.digest(first);
  psctl::test::write_file(place.folder / "train.csv", "x,y,kind\n1,2,a\n3,4,b\n5,6,a\n7,8,b\n");
  const Ready changed = prepare(place.config);
  BOOST_TEST(changed.path != first.path);
  BOOST_TEST(place.digest(changed) != digest);
  BOOST_TEST(place.digest(first) == digest);
  place.config.import.options.values = Values::kBytes;
  const Ready as_bytes = prepare(place.config);
  BOOST_TEST(as_bytes.path != changed.path);
  BOOST_TEST((as_bytes.prepared->description().values == Values::kBytes));
  place.config.import.options.values = {};
  place.config.import.options.missing = Missing::kZero;
  BOOST_TEST(prepare(place.config).path != changed.path);
  BOOST_TEST(place.entries().size() == 4U);
}

BOOST_AUTO_TEST_CASE(an_entry_that_is_damaged_anywhere_is_made_anew) {
  const Place place;
  const Ready sound = prepare(place.config);
  const std::string digest = place.digest(sound), content = psctl::test::read_file(sound.path);
  // Between the sections nothing lies, so not every byte matters.
  for (std::size_t at = 0; at < content.size(); at += at < 600 ? 13 : 401) {
    std::string spoiled = content;
    spoiled[at] = static_cast<char>(spoiled[at] ^ 0x10);
    fs::remove(sound.path);
    psctl::test::write_file(sound.path, spoiled);
    BOOST_TEST(place.digest(prepare(place.config)) == digest, "byte " << at);
  }
  const auto spoil = [&](const std::string& what, const std::string& spoiled) {
    BOOST_TEST_CONTEXT(what) {
      fs::remove(sound.path);
      psctl::test::write_file(sound.path, spoiled);
      const Ready again = prepare(place.config);
      BOOST_TEST_REQUIRE(again.notices.size() >= 2U);
      BOOST_TEST(again.notices[0].starts_with(sound.path + ": "), again.notices[0]);
      BOOST_TEST(again.notices[0].ends_with("; it is made anew"), again.notices[0]);
      BOOST_TEST(place.digest(again) == digest);
      BOOST_TEST(psctl::test::read_file(sound.path) == content);
    }
  };
  spoil("cut", content.substr(0, content.size() - 1));
  spoil("empty", "");
  spoil("of something else", "hello");
  spoil("the first row", content.substr(0, 4096) + "x" + content.substr(4097));
}

BOOST_AUTO_TEST_CASE(without_a_place_to_keep_it_a_source_is_read_into_memory_and_that_is_told) {
  const Place place;
  const std::string digest = place.digest(prepare(place.config));
  const auto in_memory = [&](const std::string& reason) {
    const Ready ready = prepare(place.config);
    BOOST_TEST_REQUIRE(ready.notices.size() >= 2U);
    BOOST_TEST(contains(ready.notices[0], "train.csv: what is prepared of it is not kept"), ready.notices[0]);
    BOOST_TEST(contains(ready.notices[0], reason), ready.notices[0]);
    BOOST_TEST(ready.notices[1].ends_with(" s, in memory"), ready.notices[1]);
    BOOST_TEST(place.digest(ready) == digest);
    // Another process opens it where this one has it.
    const pid_t child = ::fork();
    if (child == 0) {
      bool same = false;
      try {
        const Splits splits = load(place.config, *Prepared::open(ready.path), 1);
        same = splits.train->digest() + splits.test->digest() == digest;
      } catch (const std::exception&) {
      }
      ::_exit(same ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    BOOST_TEST(status == 0);
  };
  {
    psctl::test::write_file(place.folder / "file", "");
    const Variable elsewhere("PSCTL_CACHE", place.folder / "file/cache");
    in_memory("Not a directory");
  }
  {
    const Variable nowhere("PSCTL_CACHE", "");
    in_memory("none of PSCTL_CACHE, XDG_CACHE_HOME and HOME names a place for it");
  }
  if (::geteuid() == 0) {  // which no permission stops
    fs::create_directory(place.folder / "read-only");
    fs::permissions(place.folder.path(), fs::perms::all);
    for (const char* name : {"train.csv", "test.csv"}) fs::permissions(place.folder / name, fs::perms::all);
    const Variable elsewhere("PSCTL_CACHE", place.folder / "read-only");
    BOOST_REQUIRE(::seteuid(65534) == 0);
    const Ready ready = prepare(place.config);
    BOOST_REQUIRE(::seteuid(0) == 0);
    BOOST_TEST(contains(ready.notices.at(0), "Permission denied"), ready.notices.at(0));
    BOOST_TEST(place.digest(ready) == digest);
  }
}

BOOST_AUTO_TEST_CASE(the_cache_is_where_the_environment_says) {
  const Variable psctl("PSCTL_CACHE", "/a"), xdg("XDG_CACHE_HOME", "/b"), home("HOME", "/c");
  BOOST_TEST(cache_folder() == "/a");
  ::unsetenv("PSCTL_CACHE");
  BOOST_TEST(cache_folder() == "/b/psctl");
  ::setenv("XDG_CACHE_HOME", "relative", 1);
  BOOST_TEST(cache_folder() == "/c/.cache/psctl");
  ::unsetenv("XDG_CACHE_HOME");
  ::unsetenv("HOME");
  BOOST_TEST(cache_folder() == "");
}

BOOST_AUTO_TEST_CASE(many_at_once_prepare_one_whole_entry) {
  const Place place;
  std::vector<Ready> ready(8);
  {
    std::vector<std::jthread> threads;
    for (Ready& each : ready) threads.emplace_back([&] { each = prepare(place.config); });
  }
  for (const Ready& each : ready) BOOST_TEST(place.digest(each) == place.digest(ready[0]));
  BOOST_TEST(place.entries().size() == 1U);
}

BOOST_AUTO_TEST_CASE(what_killed_processes_left_is_removed_after_a_day) {
  const Place place;
  fs::create_directories(place.cache);
  const auto leave = [&](const std::string& name, std::chrono::hours ago) {
    psctl::test::write_file(place.cache + "/" + name, "x");
    fs::last_write_time(place.cache + "/" + name, fs::file_time_type::clock::now() - ago);
  };
  const std::string key(32, 'a');
  leave("a-" + key + ".psctl.AbCdEf", std::chrono::hours(30));
  leave("b-" + key + ".psctl.AbCdEf", std::chrono::hours(1));
  leave("c-" + key + ".psctl.backup1", std::chrono::hours(3000));
  leave("c-3.psctl", std::chrono::hours(3000));
  prepare(place.config);
  BOOST_TEST(!fs::exists(place.cache + "/a-" + key + ".psctl.AbCdEf"));
  BOOST_TEST(fs::exists(place.cache + "/b-" + key + ".psctl.AbCdEf"));
  BOOST_TEST(fs::exists(place.cache + "/c-" + key + ".psctl.backup1"));
  BOOST_TEST(fs::exists(place.cache + "/c-3.psctl"));
}

BOOST_AUTO_TEST_CASE(several_files_count_as_one_in_their_order) {
  Place place;
  psctl::test::write_file(place.folder / "1.csv", kTrain.substr(0, 21));
  psctl::test::write_file(place.folder / "2.csv", "x,y,kind\n" + kTrain.substr(21));
  const std::string whole = place.digest(prepare(place.config));
  place.config.source = {place.folder / "1.csv", place.folder / "2.csv"};
  BOOST_TEST(place.digest(prepare(place.config)) == whole);
  place.config.source = {place.folder / "2.csv", place.folder / "1.csv"};
  BOOST_TEST(place.digest(prepare(place.config)) != whole);
}

BOOST_AUTO_TEST_CASE(one_class_against_the_rest_makes_two_classes) {
  Place place;
  psctl::test::write_file(place.folder / "train.csv", "x,y,kind\n1,2,cat\n3,4,dog\n5,6,cat\n7,9,7\n");
  psctl::test::write_file(place.folder / "test.csv", "x,y,kind\n1,1,dog\n2,2,7\n");
  const Ready ready = prepare(place.config);
  const auto labels = [&](const std::string& one) {
    place.config.one_vs_rest = one;
    const Splits splits = load(place.config, *ready.prepared, 1);
    BOOST_TEST(splits.train->classes() == 2U);
    BOOST_TEST(splits.train->class_names()[0] == "rest");
    std::string text = splits.train->class_names()[1] + ":";
    for (const auto& set : {splits.train, splits.test}) {
      for (const std::uint32_t label : set->labels()) text += std::to_string(label);
    }
    return text;
  };
  BOOST_TEST(labels("cat") == "cat:101000");
  BOOST_TEST(labels("dog") == "dog:010010");
  BOOST_TEST(labels("7") == "7:000101");  // a name before a number
  BOOST_TEST(labels("1") == "cat:101000");
  try {
    labels("dogs");
    BOOST_FAIL("taken");
  } catch (const UserError& error) {
    BOOST_TEST(std::string(error.what()) == "data.one_vs_rest: expected a class of " + (place.folder / "train.csv") +
                                                ", 7, cat or dog, found 'dogs' (did you mean 'dog'?)");
  }
}

BOOST_AUTO_TEST_CASE(the_test_part_has_no_say_in_the_transform) {
  Place place;
  place.config.normalize = {.kind = Normalize::kStandard, .per = Per::kFeature};
  const Splits before = load(place.config, *prepare(place.config).prepared, 1);
  psctl::test::write_file(place.folder / "test.csv", "x,y,kind\n1e9,-1e9,b\n2,2,a\n");
  const Splits after = load(place.config, *prepare(place.config).prepared, 1);
  BOOST_TEST(before.train->digest() == after.train->digest());
  BOOST_TEST((before.train->transform().each->scale == after.test->transform().each->scale));
  BOOST_TEST((before.train->transform().each->center == after.test->transform().each->center));
}

BOOST_AUTO_TEST_CASE(a_test_part_taken_out_has_no_say_in_the_transform) {
  Place place;
  place.config.test = {.files = {}, .count = 1};
  place.config.split = SplitKind::kOrdered;
  place.config.normalize = {.kind = Normalize::kUnit, .per = Per::kFeature};
  const Splits splits = load(place.config, *prepare(place.config).prepared, 1);
  BOOST_TEST(psctl::test::values_of(*splits.train, std::vector<std::uint32_t>{2}) == (std::vector<float>{1, 1}),
             boost::test_tools::per_element());
  BOOST_TEST(psctl::test::values_of(*splits.test, std::vector<std::uint32_t>{0}) == (std::vector<float>{1.5F, 1.75F}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_together_is_refused_with_its_key) {
  Place place;
  const std::string train = place.folder / "train.csv", test = place.folder / "test.csv";
  const Ready ready = prepare(place.config);
  DataConfig config = place.config;
  config.import.options.first_index = 1;
  BOOST_TEST(refusal(config).starts_with("data.import: csv has no option first_index; it has "), refusal(config));
  config = place.config;
  config.import.format = "cvs";
  BOOST_TEST(refusal(config).starts_with("data.import.format: expected a format, "), refusal(config));
  BOOST_TEST(refusal(config).ends_with("found 'cvs' (did you mean 'csv'?)"), refusal(config));
  config = place.config;
  config.source = {ready.path};
  BOOST_TEST(refusal(config) ==
             "data.test: expected no files beside " + ready.path + ", which brings all parts; found " + test);
  config.test = {};
  BOOST_TEST(refusal(config) == "no fault");
  config.import.options.header = true;
  BOOST_TEST(refusal(config) ==
             "data.import: " + ready.path + " is prepared, so nothing is left to say of its import; remove it");
  config = place.config;
  config.source = {train, ready.path};
  BOOST_TEST(refusal(config) == "data.source: expected no files beside " + ready.path +
                                    ", which brings all parts; found " + train + " and " + ready.path);
  config = place.config;
  config.test.files = {ready.path};
  BOOST_TEST(refusal(config) ==
             "data.test: " + ready.path + ": expected a file of the format of data.source, found a prepared file");
  config.test.files = {"/dev/zero"};
  BOOST_TEST(refusal(config) == "data.test: /dev/zero: expected a file or a folder, found something else");
}

BOOST_AUTO_TEST_SUITE_END()
