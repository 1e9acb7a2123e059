#include "fetch/fetch.h"

#include <archive.h>
#include <archive_entry.h>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <future>

#include "base/error.h"
#include "base/sha256.h"
#include "data/catalogue.h"
#include "data/prepared.h"
#include "fetch/http_server.h"
#include "fetch/unpack.h"
#include "support/folder.h"

using namespace psctl;
using namespace psctl::test;
using data::Part;

namespace {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string digest(const std::string& text) { return sha256(std::as_bytes(std::span(text))); }

// Packs in memory; `add` writes the entries.
template <class Add>
std::string packed(int (*filter)(archive*), int (*format)(archive*), Add add) {
  std::string bytes(1 << 20, '\0');
  std::size_t used = 0;
  archive* const writer = archive_write_new();
  BOOST_TEST_REQUIRE(filter(writer) == ARCHIVE_OK);
  BOOST_TEST_REQUIRE(format(writer) == ARCHIVE_OK);
  archive_write_set_bytes_in_last_block(writer, 1);
  BOOST_TEST_REQUIRE(archive_write_open_memory(writer, bytes.data(), bytes.size(), &used) == ARCHIVE_OK);
  add(writer);
  BOOST_TEST_REQUIRE(archive_write_close(writer) == ARCHIVE_OK);
  archive_write_free(writer);
  return bytes.substr(0, used);
}

void add_entry(archive* writer, const std::string& name, const std::string& content, unsigned type = AE_IFREG,
               const char* target = nullptr) {
  archive_entry* const entry = archive_entry_new();
  archive_entry_set_pathname(entry, name.c_str());
  archive_entry_set_filetype(entry, type);
  archive_entry_set_perm(entry, 0644);
  archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
  if (target && type == AE_IFLNK) archive_entry_set_symlink(entry, target);
  if (target && type == AE_IFREG) archive_entry_set_hardlink(entry, target);
  BOOST_TEST_REQUIRE(archive_write_header(writer, entry) == ARCHIVE_OK);
  if (!content.empty()) archive_write_data(writer, content.data(), content.size());
  archive_entry_free(entry);
}

std::string tar_of(const std::vector<std::pair<std::string, std::string>>& members) {
  return packed(archive_write_add_filter_gzip, archive_write_set_format_ustar, [&](archive* writer) {
    for (const auto& [name, content] : members) add_entry(writer, name, content);
  });
}

std::string bzip2_of(const std::string& content) {
  return packed(archive_write_add_filter_bzip2, archive_write_set_format_raw,
                [&](archive* writer) { add_entry(writer, "content", content); });
}

// A sparse set of six and three samples, as a data set that the web serves.
const std::string kTrain = "+1 1:1 4:2\n-1 2:1\n+1 3:1\n-1 1:5\n-1 4:1\n+1 2:2\n";
const std::string kTest = "-1 1:1\n+1 4:1\n-1 3:3\n";

data::KnownSet small_set(data::Packing packing = data::Packing::kNone) {
  const std::string end = packing == data::Packing::kBzip2 ? ".bz2" : "";
  return {.name = "small",
          .what = "a set",
          .addresses = {},
          .files = {{.name = "small" + end, .part = Part::kTrain, .most_bytes = 10'000, .sha256 = {}},
                    {.name = "small.t" + end, .part = Part::kTest, .most_bytes = 10'000, .sha256 = {}}},
          .packing = packing,
          .members = {},
          .most_unpacked = 10'000,
          .format = "libsvm",
          .features = 5,
          .shape = {.channels = 1, .height = 1, .width = 5},
          .classes = 2,
          .train = 6,
          .test = 3,
          .licence = "ours",
          .citation = "us",
          .page = ""};
}

HttpServer::Handler serving(const Files& files) {
  return [&files](const HttpRequest& request) {
    const auto found = files.find(request.path);
    return found == files.end() ? HttpAnswer{.status = 404} : serve(request, found->second);
  };
}

struct Trial {
  TemporaryFolder folder;
  data::KnownSet set;
  std::vector<std::string> said;
  std::string from;
  bool raw = false;
  std::atomic<bool> interrupted = false;

  Trial(data::KnownSet known, const HttpServer& server) : set(std::move(known)), from(server.address()) {}

  std::optional<fetch::Fetched> run() {
    fetch::Request request{.set = set, .folder = folder / "sets", .from = from, .raw = raw};
    request.patience = {.tries = 2, .first_pause = std::chrono::milliseconds(1)};
    request.interrupted = &interrupted;
    request.say = [this](const std::string& text) { said.push_back(text); };
    return fetch::fetch(request);
  }
  std::string failure() {
    try {
      run();
    } catch (const WorldError& error) {
      BOOST_TEST(!fs::exists(prepared()));
      return error.what();
    }
    return "no failure";
  }
  fs::path prepared() const { return folder / "sets/small.psctl"; }
  fs::path work() const { return folder / "sets/small.fetching"; }
  void check_prepared() {
    const auto fetched = run();
    BOOST_TEST_REQUIRE(fetched.has_value());
    BOOST_TEST(!fetched->was_there);
    BOOST_TEST(fetched->path == prepared());
    BOOST_TEST(!fs::exists(work()));
    const auto opened = data::Prepared::open(fetched->path);
    opened->check();
    BOOST_TEST(opened->size(Part::kTrain) == set.train);
    BOOST_TEST(opened->size(Part::kTest) == set.test);
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(fetch_)

BOOST_AUTO_TEST_CASE(a_set_becomes_a_prepared_file_and_is_fetched_once) {
  const Files files{{"small", kTrain}, {"small.t", kTest}};
  const HttpServer server(serving(files));
  Trial trial(small_set(), server);
  trial.check_prepared();
  BOOST_TEST(trial.said.back() ==
             "no checksum is published; 6 training and 3 test samples of 5 values in 2 classes, as published");
  const auto again = trial.run();
  BOOST_TEST_REQUIRE(again.has_value());
  BOOST_TEST(again->was_there);
  BOOST_TEST(server.requests().size() == 2U);
}

BOOST_AUTO_TEST_CASE(raw_files_are_kept_as_they_are_served) {
  const Files files{{"small", kTrain}, {"small.t", kTest}};
  const HttpServer server(serving(files));
  Trial trial(small_set(), server);
  trial.raw = true;
  for (const bool was_there : {false, true}) {
    const auto fetched = trial.run();
    BOOST_TEST_REQUIRE(fetched.has_value());
    BOOST_TEST(fetched->was_there == was_there);
    BOOST_TEST(read_file(fetched->path / "small") == kTrain);
    BOOST_TEST(read_file(fetched->path / "small.t") == kTest);
  }
  BOOST_TEST(!fs::exists(trial.prepared()));
  // What the user put there is not overwritten.
  trial.set.files.front().sha256 = digest("other");
  BOOST_CHECK_THROW(trial.run(), UserError);
  BOOST_TEST(read_file(trial.folder / "sets/small/small") == kTrain);
}

BOOST_AUTO_TEST_CASE(files_that_bzip2_packed_are_unpacked) {
  const Files files{{"small.bz2", bzip2_of(kTrain)}, {"small.t.bz2", bzip2_of(kTest)}};
  const HttpServer server(serving(files));
  Trial(small_set(data::Packing::kBzip2), server).check_prepared();
}

BOOST_AUTO_TEST_CASE(packed_files_that_are_damaged_are_told_and_removed) {
  const std::string sound = bzip2_of(kTrain);
  std::string flipped = sound;
  flipped[sound.size() / 2] ^= 1;
  Files files{{"small.t.bz2", bzip2_of(kTest)}};
  const HttpServer server(serving(files));
  Trial trial(small_set(data::Packing::kBzip2), server);
  for (const std::string& wrong : {sound.substr(0, sound.size() / 2), flipped, kTrain, std::string("BZh9")}) {
    files["small.bz2"] = wrong;
    const std::string failure = trial.failure();
    BOOST_TEST(has(failure, "small.bz2: "), failure);
    BOOST_TEST(!fs::exists(trial.work()));
  }
  trial.set.most_unpacked = 10;
  files["small.bz2"] = sound;
  BOOST_TEST(has(trial.failure(), "small.bz2: expected at most 10 bytes as small, found more"));
  trial.set.most_unpacked = 10'000;
  trial.check_prepared();
}

BOOST_AUTO_TEST_CASE(another_set_than_the_published_one_is_told_and_fetched_anew) {
  Files files{{"small", kTrain + "+1 1:1\n"}, {"small.t", kTest}};
  const HttpServer server(serving(files));
  Trial trial(small_set(), server);
  const std::string failure = trial.failure();
  BOOST_TEST(has(failure,
                 "what was fetched is not small, and is removed: expected 6 training samples, as published, "
                 "found 7"),
             failure);
  files["small"] = "<html>please log in</html>\n";
  BOOST_TEST(has(trial.failure(), "what was fetched is not small, and is removed: "));
  files["small"] = kTrain;
  trial.check_prepared();
}

BOOST_AUTO_TEST_CASE(an_interrupted_fetch_goes_on_where_it_was) {
  const Files files{{"small", kTrain}, {"small.t", kTest}};
  Trial* trial = nullptr;
  const HttpServer server([&](const HttpRequest& request) {
    HttpAnswer answer = serving(files)(request);
    if (request.path == "small.t" && request.header("range").empty()) {
      answer.cut_after = 7;
      answer.stalls = true;
      trial->interrupted = true;
    }
    return answer;
  });
  Trial small(small_set(), server);
  trial = &small;
  BOOST_TEST(!small.run().has_value());
  BOOST_TEST(!fs::exists(small.prepared()));
  BOOST_TEST(read_file(small.work() / "small") == kTrain);
  small.interrupted = false;
  if (read_file(small.work() / "small.t.part").empty()) return;  // the interrupt came first
  small.check_prepared();
  BOOST_TEST(server.requests().size() == 3U);
}

BOOST_AUTO_TEST_CASE(two_fetches_at_once_do_not_meet) {
  const Files files{{"small", kTrain}, {"small.t", kTest}};
  std::promise<void> asked, go;
  std::atomic<bool> first = true;
  const HttpServer server([&](const HttpRequest& request) {
    if (first.exchange(false)) {
      asked.set_value();
      go.get_future().wait();
    }
    return serving(files)(request);
  });
  Trial trial(small_set(), server);
  auto one = std::async(std::launch::async, [&] { trial.check_prepared(); });
  asked.get_future().wait();
  std::string failure;
  try {
    fetch::fetch({.set = trial.set, .folder = trial.folder / "sets", .from = server.address()});
  } catch (const WorldError& error) {
    failure = error.what();
  }
  go.set_value();
  one.get();
  BOOST_TEST(failure == trial.work().string() + ": another psctl data fetch is at work there");
}

BOOST_AUTO_TEST_CASE(members_of_an_archive_are_taken_by_their_names_only) {
  const TemporaryFolder folder;
  const std::string file = folder / "set.tar.gz", out = folder / "out";
  fs::create_directory(out);
  const std::vector<data::Member> members{{"set/a", 100}, {"set/b", 100}};
  write_file(file, tar_of({{"../escaped", "x"}, {"/tmp/escaped", "x"}, {"set/b", "second"}, {"set/a", "first"}}));
  BOOST_TEST(fetch::unpack_members(file, members, out, nullptr));
  BOOST_TEST(read_file(out + "/a") == "first");
  BOOST_TEST(read_file(out + "/b") == "second");
  BOOST_TEST(std::distance(fs::directory_iterator(out), {}) == 2);
  BOOST_TEST(!fs::exists(folder / "escaped"));

  const auto refused = [&](const std::string& bytes, const std::string& why) {
    write_file(file, bytes);
    std::string failure = "no failure";
    try {
      fetch::unpack_members(file, members, out, nullptr);
    } catch (const UserError& error) {
      failure = error.what();
    }
    BOOST_TEST(has(failure, file + ": " + why), failure);
  };
  refused(tar_of({{"set/a", "first"}, {"b", "second"}}), "expected a member set/b, found none");
  refused(tar_of({{"set/a", "first"}, {"set/b", std::string(101, 'x')}}),
          "expected at most 100 bytes as b, found more");
  const auto with_link = [](unsigned type) {
    return packed(archive_write_add_filter_gzip, archive_write_set_format_ustar, [&](archive* writer) {
      add_entry(writer, "set/a", "first");
      add_entry(writer, "set/b", "", type, "/etc/passwd");
    });
  };
  refused(with_link(AE_IFLNK), "expected set/b to be a plain file, found something else");
  refused(with_link(AE_IFREG), "expected set/b to be a plain file, found something else");
  refused("no archive at all, and long enough to be one", "is damaged: ");
  const std::string sound = tar_of({{"set/a", "first"}, {"set/b", "second"}});
  for (std::size_t size = 0; size < sound.size(); size += 7) {
    write_file(file, sound.substr(0, size));
    try {
      fetch::unpack_members(file, members, out, nullptr);
      // All that was asked for came before the cut.
      BOOST_TEST(read_file(out + "/b") == "second");
    } catch (const UserError& error) {
      BOOST_TEST(has(error.what(), file + ": "), error.what());
    }
  }
}

BOOST_AUTO_TEST_CASE(an_archive_becomes_a_prepared_file) {
  data::KnownSet set = small_set();
  set.files = {{.name = "small.tar.gz", .most_bytes = 1 << 20, .sha256 = {}}};
  set.packing = data::Packing::kTarGzip;
  set.format = "cifar10";
  set.folder = true;
  set.features = 0;
  set.shape = {.channels = 3, .height = 32, .width = 32};
  set.classes = 10;
  set.train = 10;
  set.test = 2;
  std::vector<std::pair<std::string, std::string>> members;
  for (const char* batch :
       {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"}) {
    std::string content;
    for (const char label : {'\3', '\7'}) content += label + std::string(3072, label);
    members.emplace_back(std::string("dir/") + batch + ".bin", content);
    set.members.push_back({members.back().first, content.size()});
  }
  const Files files{{"small.tar.gz", tar_of(members)}};
  set.files.front().sha256 = digest(files.at("small.tar.gz"));
  const HttpServer server(serving(files));
  Trial trial(set, server);
  trial.check_prepared();
  BOOST_TEST(has(trial.said.back(), "every file has the SHA-256 that is published; 10 training and 2 test samples"));
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_used_is_told) {
  const HttpServer server([](const HttpRequest&) { return HttpAnswer{}; });
  Trial trial(small_set(), server);
  write_file(trial.folder / "sets", "a file");
  BOOST_CHECK_THROW(trial.run(), UserError);
  BOOST_TEST(server.requests().empty());
}

BOOST_AUTO_TEST_CASE(every_known_set_says_what_is_needed_to_fetch_it) {
  for (const data::KnownSet& set : data::catalogue()) {
    BOOST_TEST_CONTEXT(set.name) {
      BOOST_TEST(!set.addresses.empty());
      for (const std::string& address : set.addresses) {
        fetch::check_address(address);
        BOOST_TEST(address.ends_with('/'));
      }
      BOOST_TEST(!set.files.empty());
      for (const data::RemoteFile& file : set.files) {
        BOOST_TEST(file.most_bytes >= file.bytes);
        BOOST_TEST(file.most_bytes > 0U);
        BOOST_TEST((file.sha256.empty() || (file.sha256.size() == 64 && file.bytes > 0)));
        BOOST_TEST(file.sha256.find_first_not_of("0123456789abcdef") == std::string::npos);
      }
      BOOST_TEST((set.packing == data::Packing::kBzip2) == (set.most_unpacked > 0));
      BOOST_TEST((set.packing == data::Packing::kTarGzip) == !set.members.empty());
      const std::vector<data::Input> none;
      BOOST_TEST(data::importer_for(none, set.format).name == set.format);
      BOOST_TEST(data::find_known(set.name) == &set);
      for (const std::string& text : {set.what, set.licence, set.citation, set.page}) BOOST_TEST(!text.empty());
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
