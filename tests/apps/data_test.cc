// psctl data: how samples are dealt to workers, as a table, a picture and a file of numbers.
#include <sys/stat.h>

#include "app.h"
#include "support/paths.h"

namespace psctl::test {
namespace {

struct Told {
  int code = -1;
  std::string out, error;
};

Told inspect(const App& app, const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"data", "inspect", "--partition", "--config", app.config()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  Process process(app.folder(), all);
  const int code = process.wait();
  return {code, process.out(), process.error()};
}

Told tell(const App& app, const std::vector<std::string>& arguments, const char* binary = psctl::test::kBinary) {
  Process process(app.folder(), arguments, {}, binary);
  const int code = process.wait();
  return {code, process.out(), process.error()};
}

const std::string kByLabel = "data.partition={kind: by_label, shards: 2}";

}  // namespace

BOOST_AUTO_TEST_CASE(files_are_imported_and_inspected_and_damage_is_told) {
  const App app;
  write_file(app.folder() / "a.csv", "x,y,kind\n1,2,cat\n3,4,dog\n1,2,cat\n");
  const std::string out = app.folder() / "a.psctl";
  const Told made = tell(app, {"data", "import", app.folder() / "a.csv", "--test", app.folder() / "a.csv", "-o", out});
  BOOST_TEST(made.code == 0, made.error);
  BOOST_TEST(contains(made.error, "labels cat, dog became classes 0, 1"), made.error);
  const Told seen = tell(app, {"data", "inspect", out, "--check"});
  BOOST_TEST(seen.code == 0, seen.error);
  BOOST_TEST(contains(seen.out, "  values a sample  2 (dense, 32-bit floats)\n"), seen.out);
  BOOST_TEST(contains(seen.out, "  note             labels cat, dog became classes 0, 1\n"), seen.out);
  BOOST_TEST(contains(seen.out, "  equal to an earlier sample                   1           1\n"), seen.out);
  BOOST_TEST(contains(seen.out, "  largest value                                4           4\n"), seen.out);
  BOOST_TEST(contains(seen.out, "  cat                                          2           2\n"), seen.out);
  std::string bytes = read_file(out);
  bytes[4096] = static_cast<char>(bytes[4096] ^ 1);
  write_file(out, bytes);
  const Told damaged = tell(app, {"data", "inspect", out, "--check"});
  BOOST_TEST(damaged.code == 2);
  BOOST_TEST(contains(damaged.error, out + ": byte 4096: expected a block of rows of 24 bytes with SHA-256 "),
             damaged.error);
  const Told refused_option = tell(app, {"data", "import", app.folder() / "a.csv", "-o", out, "--first-index", "0"});
  BOOST_TEST(refused_option.code == 2);
  BOOST_TEST(contains(refused_option.error, "csv has no option first_index"), refused_option.error);
}

BOOST_AUTO_TEST_CASE(what_is_no_file_or_cannot_be_used_is_refused_before_anything_is_read) {
  const App app;
  write_file(app.folder() / "a.csv", "x,y,kind\n1,2,cat\n3,4,dog\n");
  const std::string csv = app.folder() / "a.csv", out = app.folder() / "a.psctl", pipe = app.folder() / "pipe";
  BOOST_REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  const auto refused = [&](std::vector<std::string> arguments, const std::string& message) {
    arguments.insert(arguments.begin(), {"data", "import", csv, "-o", out});
    const Told told = tell(app, arguments);
    BOOST_TEST(told.code == 2);
    BOOST_TEST(contains(told.error, message), told.error);
    BOOST_TEST(!std::filesystem::exists(out));
  };
  refused({"--test", pipe}, pipe + ": expected a file or a folder, found something else");
  refused({"--labels", pipe}, pipe + ": expected a file, found something else");
  refused({"--labels", app.folder().path()}, app.folder().path() + ": expected a file, found a folder");
  refused({"--test", "/dev/zero"}, "/dev/zero: expected a file or a folder, found something else");
  refused({"--test", csv, "--labels", csv, "--labels", csv},
          "--labels: expected a file of labels for each of 1 file of samples, found 2");
  refused({"--test-labels", csv}, "--test-labels: expected a file of labels for each of 0 files of samples, found 1");
  refused({"--labels", csv}, csv + ": csv has the labels in the same file; expected no file of labels, found " + csv);
}

BOOST_AUTO_TEST_CASE(nothing_but_a_file_is_replaced_by_what_is_written) {
  const App app;
  write_file(app.folder() / "a.csv", "x,y,kind\n1,2,cat\n3,4,dog\n");
  const std::string folder = app.folder() / "there", pipe = app.folder() / "pipe", device = app.folder() / "device";
  std::filesystem::create_directory(folder);
  BOOST_REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  std::filesystem::create_symlink("/dev/null", device);  // who is root would lose the device itself
  const auto refused = [&](const std::string& out, const std::string& message) {
    const Told told = tell(app, {"data", "import", app.folder() / "a.csv", "-o", out});
    BOOST_TEST(told.code == 2);
    BOOST_TEST(contains(told.error, message), told.error);
  };
  refused(folder, folder + ": expected a file to write, found a folder");
  refused(pipe, pipe + ": expected a file to write, found something else");
  refused(device, device + ": expected a file to write, found something else");
  refused("", "expected the name of a file to write, found nothing");
  BOOST_TEST(std::filesystem::is_symlink(device));
  BOOST_TEST(std::filesystem::is_fifo(pipe));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_imported_is_told_by_its_own_name) {
  const App app;
  const auto refused = [&](const std::string& in, std::vector<std::string> more, const std::string& message) {
    more.insert(more.begin(), {"data", "import", in, "-o", app.folder() / "new.psctl"});
    const Told told = tell(app, more);
    BOOST_TEST(told.code == 2);
    BOOST_TEST(contains(told.error, in + message), told.error);
    BOOST_TEST(!std::filesystem::exists(app.folder() / "new.psctl"));
  };
  const std::string csv = app.folder() / "a.csv", out = app.folder() / "a.psctl", folder = app.folder() / "batches";
  write_file(csv, "x,y,kind\n1,,cat\n3,,dog\n");
  refused(csv, {"--missing", "mean"}, ": value 2 of the samples is missing from all of the training part");
  BOOST_TEST(tell(app, {"data", "import", csv, "-o", out, "--missing", "zero"}).code == 0);
  refused(out, {}, ": is prepared already");
  std::filesystem::create_directory(folder);
  refused(folder, {"--format", "cifar10"}, "/data_batch_1.bin: expected a file, found nothing");
}

BOOST_AUTO_TEST_CASE(a_data_set_known_by_name_is_imported_and_inspected_like_its_folder) {
  const App app;
  const std::string out = app.folder() / "fashion.psctl";
  const Told made = tell(app, {"data", "import", "fashion-mnist", "-o", out});
  BOOST_TEST(made.code == 0, made.error);
  BOOST_TEST(contains(made.out, "  train            60000 samples\n"), made.out);
  BOOST_TEST(contains(made.out, "  test             10000 samples\n"), made.out);
}

BOOST_AUTO_TEST_CASE(samples_that_come_twice_are_told_on_screen_and_as_json) {
  const App app;
  const std::string out = app.folder() / "a.psctl", facts = app.folder() / "facts.json";
  write_file(app.folder() / "a.csv", "x,y,kind\n1,2,cat\n3,4,dog\n1,2,dog\n1,2,cat\n");
  write_file(app.folder() / "b.csv", "x,y,kind\n5,6,cat\n3,4,dog\n");
  BOOST_TEST(tell(app, {"data", "import", app.folder() / "a.csv", "--test", app.folder() / "b.csv", "-o", out}).code ==
             0);
  const Told seen = tell(app, {"data", "inspect", out, "-o", facts});
  BOOST_TEST(seen.code == 0, seen.error);
  BOOST_TEST(seen.error == "");
  BOOST_TEST(contains(seen.out, "                                           train        test\n"), seen.out);
  BOOST_TEST(contains(seen.out, "  equal to an earlier sample                   2           0\n"), seen.out);
  BOOST_TEST(contains(seen.out, "  equal to a training sample                   -           1\n"), seen.out);
  BOOST_TEST(contains(seen.out, "  equal to one with another label              1           0\n"), seen.out);
  const auto json = nlohmann::json::parse(read_file(facts));
  BOOST_TEST(json["class_names"] == nlohmann::json({"cat", "dog"}));
  BOOST_TEST(json["parts"]["train"]["equal_earlier"] == 2);
  BOOST_TEST(json["parts"]["train"]["class_counts"] == nlohmann::json({2, 2}));
  BOOST_TEST(json["parts"]["test"]["equal_training"] == 1);
  BOOST_TEST(json["parts"]["test"]["largest"] == 6);
  BOOST_TEST(json["compared_one_in"] == 1);
  const Told wrong = tell(app, {"data", "inspect", out, "-o", app.folder() / "facts.txt"});
  BOOST_TEST(wrong.code == 2);
  BOOST_TEST(contains(wrong.error, "--output: expected a name that ends in .json, found '"), wrong.error);
  const Told pipe =
      tell(app, {"-c", fmt::format("mkfifo {0} && exec {1} data inspect {0}", app.folder() / "pipe", psctl::test::kBinary)},
           "/bin/bash");
  BOOST_TEST(pipe.code == 2);
  BOOST_TEST(contains(pipe.error, "pipe: expected a file or a folder, found something else"), pipe.error);
}

BOOST_AUTO_TEST_CASE(arrays_of_numpy_are_imported_with_labels_of_their_own_or_from_one_archive) {
  const App app;
  const std::string files = psctl::test::source_path("tests/data/files/"), out = app.folder() / "a.psctl";
  const Told archive = tell(app, {"data", "import", files + "mnist.npz", "-o", out});
  BOOST_TEST(archive.code == 0, archive.error);
  BOOST_TEST(contains(archive.error, "'x_test' are the samples, 'y_test' their labels"), archive.error);
  BOOST_TEST(contains(archive.out, "  test             4 samples\n"), archive.out);
  const Told pictures = tell(app, {"data", "import", files + "pictures.npy", "--labels", files + "classes.npy",
                                   "--channels", "last", "-o", out});
  BOOST_TEST(pictures.code == 0, pictures.error);
  BOOST_TEST(contains(pictures.out, "  values a sample  3 x 6 x 7 (dense, bytes)\n"), pictures.out);
  BOOST_TEST(contains(pictures.error, "are taken as sample, height, width, channel"), pictures.error);
}

BOOST_AUTO_TEST_CASE(the_partition_that_is_shown_is_the_one_that_a_run_trains_on) {
  const App app;
  // Four classes of 150; six shards of 100.
  const Told told = inspect(app, {kByLabel, "-o", app.folder() / "parts.csv"});
  BOOST_TEST(told.code == 0, told.error);
  BOOST_TEST(told.out.starts_with("by_label, 2 shards a worker: 600 training samples of "));
  BOOST_TEST(contains(told.out, "over 3 workers, seed 3\n"));
  BOOST_TEST(contains(told.out, "   all       600                           4   150   150   150   150\n"), told.out);
  const Table table = read_table(app.folder() / "parts.csv");
  BOOST_TEST(table.header == "worker,samples,batches,distance,class_0,class_1,class_2,class_3");
  BOOST_TEST_REQUIRE(table.rows.size() == 3U);
  double distances = 0;
  for (int label = 0; label < 4; ++label) {
    double all = 0;
    for (std::size_t worker = 0; worker < 3; ++worker) all += table.number(worker, fmt::format("class_{}", label));
    BOOST_TEST(all == 150);
  }
  for (std::size_t worker = 0; worker < 3; ++worker) {
    BOOST_TEST(table.number(worker, "samples") == 200);
    BOOST_TEST(table.number(worker, "batches") == 12);
    double distance = 0;
    for (int label = 0; label < 4; ++label) {
      distance += std::abs(table.number(worker, fmt::format("class_{}", label)) / 200 - 0.25) / 2;
    }
    BOOST_TEST(std::abs(table.number(worker, "distance") - distance) < 1e-6);
    distances += distance / 3;
  }
  BOOST_TEST(contains(told.out, fmt::format("mean distance {:.3f}; an iid partition has 0.0", distances)), told.out);
  BOOST_TEST(contains(told.out, "sizes 200 to 200, 1.0 times as many\n"));

  // The run goes by it: a worker's epoch is as long as its part.
  const std::string run =
      app.train({"clock=virtual", "data.partition={kind: quantity, sizes: [1, 2, 3]}", "stop.updates=5"});
  BOOST_TEST(contains(read_file(run + "/config.yaml"), "sizes: [1, 2, 3]"));
  BOOST_TEST(App::digest(run) != App::digest(app.train({"clock=virtual", "stop.updates=5"})));
}

BOOST_AUTO_TEST_CASE(both_worlds_train_on_the_same_uneven_partition) {
  const App app;
  for (const char* partition : {"{kind: by_label, shards: 1}", "{kind: dirichlet, alpha: 0.5}",
                                "{kind: quantity, law: power, exponent: 1.5}"}) {
    const std::string override = fmt::format("data.partition={}", partition);
    const std::string real = app.train({"clock=real", override});
    const std::string simulated = app.train({"clock=virtual", override});
    BOOST_TEST(App::digest(real) == App::digest(simulated), partition);
  }
}

BOOST_AUTO_TEST_CASE(the_picture_is_whole_and_shows_every_worker) {
  const App app;
  const std::string file = app.folder() / "parts.svg";
  const Told told = inspect(app, {"--output", file, kByLabel});
  BOOST_TEST(told.code == 0, told.error);
  const std::string picture = read_file(file);
  BOOST_TEST(picture.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  BOOST_TEST(picture.ends_with("</svg>\n"));
  for (const char* text : {">worker 0<", ">worker 1<", ">worker 2<", ">200<"}) BOOST_TEST(contains(picture, text));
}

BOOST_AUTO_TEST_CASE(a_raw_file_is_inspected_as_it_would_be_imported) {
  const App app;
  const std::string csv = app.folder() / "flowers.csv";
  std::ofstream(csv) << "species,length,width\niris,1,2\nrose,,4\niris,5,6\n";
  BOOST_TEST(tell(app, {"data", "inspect", csv, "--label", "species"}).code == 2);
  const Told told = tell(app, {"data", "inspect", csv, "--label", "species", "--missing", "mean"});
  BOOST_TEST(told.code == 0, told.error);
  BOOST_TEST(contains(told.out, "missing          1 values, filled in\n"));
  BOOST_TEST(contains(told.out, "iris"));
  const std::string prepared = app.folder() / "flowers.psctl";
  BOOST_REQUIRE(tell(app, {"data", "import", csv, "--label", "species", "--missing", "mean", "-o", prepared}).code ==
                0);
  const Told refused = tell(app, {"data", "inspect", prepared, "--label", "species"});
  BOOST_TEST(refused.code == 2);
  BOOST_TEST(refused.error ==
             "psctl: error: " + prepared + ": is prepared already: options of an import say nothing about it\n");
}

BOOST_AUTO_TEST_CASE(a_partition_that_a_run_would_refuse_can_be_looked_at) {
  const App app;
  const std::string uneven = "data.partition={kind: quantity, sizes: [1, 1, 100]}";
  const Told told = inspect(app, {uneven});
  BOOST_TEST(told.code == 0, told.error);
  BOOST_TEST(contains(told.out, "2 of 3 workers have less than one batch of 16: a run refuses this partition\n"));
  const Told run = tell(app, app.train_arguments({uneven}));
  BOOST_TEST(run.code == 2);
  BOOST_TEST(
      run.error ==
      "psctl: error: data.batch_size: worker 0's partition holds 6 samples, less than one batch of 16 (so do 2 "
      "of 3 workers); take a smaller batch, fewer workers, data.partition.sizes that differ less or more data\n");
  BOOST_TEST(app.runs().empty());
}

BOOST_AUTO_TEST_CASE(wrong_requests_are_refused) {
  const App app;
  const auto refused = [](const Told& told, const std::string& message) {
    BOOST_TEST(told.code == 2);
    BOOST_TEST(told.error == "psctl: error: " + message + "\n");
    BOOST_TEST(told.out == "");
  };
  refused(tell(app, {"data", "inspekt"}),
          "there is no verb inspekt (did you mean inspect?); psctl data --help lists them");
  refused(tell(app, {"data", "inspect"}),
          "psctl data inspect: say what to inspect: FILE, or --partition --config FILE");
  refused(tell(app, {"data", "inspect", "--partition"}), "psctl data inspect --partition: --config FILE is missing");
  refused(inspect(app, {"-o", "parts.gif"}),
          "--output: expected a name that ends in .png, .svg or .csv, found 'parts.gif'");
  refused(inspect(app, {"-o", "/no/such/parts.svg"}), "--output: /no/such: there is no such folder");
  refused(inspect(app, {"data.partition={kind: by_label, shards: 201}"}),
          "data.partition.shards: expected at most 200, so that 600 training samples fill every shard of 3 workers, "
          "found 201; take fewer shards, fewer workers or more data");
  refused(inspect(app, {"data.partition={kind: quantity, sizes: [1, 2]}"}),
          "override 'data.partition={kind: quantity, sizes: [1, 2]}': data.partition.sizes: 2 numbers for 3 workers; "
          "give one a worker");
}

BOOST_AUTO_TEST_CASE(a_table_is_prepared_once_for_all_processes_and_both_worlds_train_on_it_alike) {
  const App app;
  const std::string table = app.folder() / "table.csv";
  std::string text = "x,y,kind\n";
  for (int i = 0; i < 300; ++i) text += fmt::format("{},{},{}\n", i % 7 + i % 2 * 3, i * 1000, i % 2 ? "odd" : "even");
  write_file(table, text);
  const std::vector<std::string> overrides = {"data.source=" + table, "data.test=60", "data.split=stratified",
                                              "data.normalize={kind: standard, per: feature}", "data.one_vs_rest=odd"};
  Process first(app.folder(), app.train_arguments(overrides));
  BOOST_TEST_REQUIRE(first.wait() == 0, first.error());
  BOOST_TEST(contains(first.error(), "prepared " + table + " (300 samples) in "), first.error());
  const std::string real = app.run();
  const std::string log = read_file(real + "/psctl.log");
  BOOST_TEST(contains(log, "prepared " + table), log);
  BOOST_TEST(log.find("prepared " + table) == log.rfind("prepared " + table), log);
  auto virtually = overrides;
  virtually.emplace_back("clock=virtual");
  const std::string imagined = app.train(virtually);
  BOOST_TEST(!contains(read_file(imagined + "/psctl.log"), "prepared "));
  BOOST_TEST(App::digest(imagined) == App::digest(real));
  const auto made = [](const std::string& run) { return nlohmann::json::parse(read_file(run + "/made.json")); };
  BOOST_TEST(made(real)["data_sha256"].dump() == made(imagined)["data_sha256"].dump());
  // Nowhere to keep it: the processes share what one of them has in memory.
  Process nowhere(app.folder(), app.train_arguments(overrides), {"PSCTL_CACHE="});
  BOOST_TEST_REQUIRE(nowhere.wait() == 0, nowhere.error());
  BOOST_TEST(contains(nowhere.error(), " s, in memory"), nowhere.error());
  for (const std::string& run : app.runs()) BOOST_TEST(App::digest(run) == App::digest(real));
  // A replay finds the data again, also where they were prepared by hand.
  BOOST_TEST(tell(app, {"replay", real}).code == 0);
  const Told moved = tell(app, {"data", "import", table, "-o", app.folder() / "table.psctl"});
  BOOST_TEST(moved.code == 0, moved.error);
  const Told replayed = tell(app, {"replay", real, "--data", app.folder() / "table.psctl"});
  BOOST_TEST(replayed.code == 0, replayed.error);
}

BOOST_AUTO_TEST_CASE(features_on_unlike_scales_are_told_unless_each_has_a_transform_of_its_own) {
  const App app;
  std::string unlike = "age,income,label\n", alike = unlike;
  for (int i = 0; i < 200; ++i) {
    unlike += fmt::format("{}.5,{},{}\n", 20 + i % 50, 10'000 + 997 * (i % 90), i % 2);
    alike += fmt::format("{}.5,{},{}\n", 20 + i % 50, 3 * (i % 50), i % 2);
  }
  write_file(app.folder() / "unlike.csv", unlike);
  write_file(app.folder() / "alike.csv", alike);
  const auto said = [&](const std::string& file, const Overrides& more) {
    const Told told = tell(app, app.train_arguments(Overrides{"data.source=" + (app.folder() / file), "data.test=40",
                                                              "clock=virtual"} + more));
    BOOST_TEST(told.code == 0, told.error);
    return told.error;
  };
  const std::string notice = said("unlike.csv", {});
  BOOST_TEST(contains(notice, "data.normalize: features are on unlike scales: the standard deviation of feature 2 is "), notice);
  BOOST_TEST(!contains(said("alike.csv", {}), "unlike scales"));
  const Told imported = tell(app, {"data", "import", app.folder() / "unlike.csv", "-o", app.folder() / "unlike.psctl"});
  BOOST_TEST(contains(imported.error, "features are on unlike scales"), imported.error);
  BOOST_TEST(!contains(said("unlike.csv", {"data.normalize={kind: standard, per: feature}"}), "unlike scales"));
}

BOOST_AUTO_TEST_CASE(both_worlds_train_on_the_same_augmented_images) {
  const App app;
  const std::string plain = App::digest(app.train({"clock=virtual"}));
  const std::string augment = "data.augment={crop: 2, flip: horizontal}";
  const std::string real = App::digest(app.train({augment})),
                    imagined = App::digest(app.train({augment, "clock=virtual"}));
  BOOST_TEST(real == imagined);
  BOOST_TEST(real != plain);
  const Told table = tell(app, app.train_arguments({augment, "data.augment.crop=8"}));
  BOOST_TEST(table.code == 2);
  BOOST_TEST(contains(table.error, "data.augment.crop: expected less than 8, as the images of "), table.error);
}

BOOST_AUTO_TEST_CASE(the_verbs_explain_themselves) {
  const App app;
  const Told all = tell(app, {"data", "--help"});
  BOOST_TEST(all.code == 0);
  BOOST_TEST(contains(all.out, "inspect"));
  BOOST_TEST(tell(app, {"data"}).code == 2);
  const Told one = tell(app, {"data", "inspect", "--help"});
  BOOST_TEST(one.code == 0);
  BOOST_TEST(contains(one.out, "--output"));
}

}  // namespace psctl::test
