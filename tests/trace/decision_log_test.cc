// What the decision log writes its reader reads back.
#include "trace/decision_log.h"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <optional>
#include <vector>

#include "support/folder.h"
#include "trace/decision_reader.h"

namespace psctl::trace {
namespace {

using Kind = LoggedRow::Kind;

constexpr Instant kLate{std::chrono::hours(24 * 300) + Duration(1)};

void write_all(DecisionLog& log) {
  std::uint64_t sequence = 0;
  log.event(++sequence, Instant{}, sync::Joined{WorkerId(3)}, {}, 0, 0);
  log.decision(++sequence, Instant{}, {.decision = sync::Release{.worker = WorkerId(3)}, .version = 0, .uses = {}}, 0,
               {.learning_rate = 0.05, .from = 640, .per_step = 32});
  log.event(sequence += 2, kLate,
            sync::Pushed{.worker = WorkerId(3),
                         .steps = 4,
                         .empty = true,
                         .overlapped = 3,
                         .lost = 2,
                         .timing = {.data = Duration(4),
                                    .compute = Duration(5),
                                    .delay = Duration(6),
                                    .upload = Duration(7),
                                    .download = Duration(8)}},
            PushId(9), 4, 1);
  log.decision(++sequence, kLate, {.decision = sync::Merge{PushId(9), PushId(10)}, .version = 1, .uses = {}}, 0, {});
  log.decision(++sequence, kLate,
               {.decision = sync::Apply{.shares = {{PushId(9), 0.1}, {PushId(11), 1.0 / 3}}}, .version = 2, .uses = {}},
               0, {.learning_rate = 0.1});
  log.decision(++sequence, kLate, {.decision = sync::Discard{PushId(12)}, .version = 2, .uses = {}}, 0, {});
  log.event(++sequence, kLate, sync::Woke{}, {}, 0, 2);
  log.event(++sequence, kLate, sync::Left{WorkerId(3)}, {}, 4, 2);
  log.stop(++sequence, kLate, 2, "somebody said:\nstop, please");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(decision_log)

BOOST_AUTO_TEST_CASE(every_row_that_is_written_is_read_back) {
  const test::TemporaryFolder folder;
  {
    DecisionLog log(folder / "decisions.csv");
    write_all(log);
  }
  DecisionReader reader(folder / "decisions.csv");
  for (int pass = 0; pass < 2; ++pass) {
    std::vector<LoggedRow> rows;
    while (std::optional<LoggedRow> row = reader.next()) rows.push_back(*row);
    BOOST_TEST_REQUIRE(rows.size() == 9U);
    const std::vector<Kind> kinds = {Kind::kJoined,  Kind::kRelease, Kind::kPushed, Kind::kMerge, Kind::kApply,
                                     Kind::kDiscard, Kind::kWoke,    Kind::kLeft,   Kind::kStop};
    for (std::size_t i = 0; i < rows.size(); ++i) {
      BOOST_TEST((rows[i].kind == kinds[i]));
      BOOST_TEST(rows[i].line == i + 2);
      BOOST_TEST(rows[i].sequence == i + (i < 2 ? 1 : 2));
      BOOST_TEST((rows[i].at == (i < 2 ? Instant{} : kLate)));
    }
    const sync::Pushed& push = rows[2].push;
    BOOST_TEST((push.worker == WorkerId(3) && push.steps == 4 && push.empty && push.overlapped == 3 && push.lost == 2));
    BOOST_TEST((push.timing == sync::Timing{Duration(4), Duration(5), Duration(6), Duration(7), Duration(8)}));
    BOOST_TEST(rows[2].name() == "pushed of worker 3");
    BOOST_TEST(rows[8].detail() == "somebody said: stop, please");
    BOOST_TEST(!reader.torn());
    BOOST_TEST(reader.position() == reader.size());
    reader.rewind();
  }
}

BOOST_AUTO_TEST_CASE(a_sink_gets_the_lines_of_the_file) {
  const test::TemporaryFolder folder;
  std::string lines = std::string(DecisionLog::kHeader) + "\n";
  DecisionLog sink([&lines](std::string_view line) { lines += std::string(line) + "\n"; });
  write_all(sink);
  {
    DecisionLog log(folder / "decisions.csv");
    write_all(log);
  }
  BOOST_TEST(test::read_file(folder / "decisions.csv") == lines);
}

BOOST_AUTO_TEST_CASE(of_two_rows_the_first_field_that_differs_is_told) {
  const std::string row = "0.000000001,apply,,,2,shares=1:0.5;2:0.5 rate=1 learning_rate=0.1";
  const auto told = [&](const std::string& other) { return first_difference(row, other); };
  BOOST_TEST(told("0.000000002,apply,,,2,shares=1:0.5;2:0.5 rate=1 learning_rate=0.1") ==
             "apply: time_s is 0.000000001 in the log, 0.000000002 recomputed");
  BOOST_TEST(told("0.000000001,apply,,,3,shares=1:0.5;2:0.5 rate=1 learning_rate=0.1") ==
             "apply: version is 2 in the log, 3 recomputed");
  BOOST_TEST(told("0.000000001,apply,,,2,shares=1:0.5;2:0.25 rate=1 learning_rate=0.1") ==
             "apply: share 2 is 2:0.5 in the log, 2:0.25 recomputed");
  BOOST_TEST(told("0.000000001,apply,,,2,shares=1:0.5 rate=1 learning_rate=0.1") ==
             "apply: share 2 is 2:0.5 in the log, nothing recomputed");
  BOOST_TEST(told("0.000000001,apply,,,2,shares=1:0.5;2:0.5 rate=1 learning_rate=0.2") ==
             "apply: learning_rate is 0.1 in the log, 0.2 recomputed");
  BOOST_TEST(told("0.000000001,release,4,1,2,refresh=take") == "the log has apply, recomputed is release of worker 4");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace psctl::trace
