// psctl data inspect --images and --partition -o FILE.png: the pictures show what is in the data.
#include <cstring>
#include <png.h>

#include "app.h"
#include "support/paths.h"

namespace psctl::test {
namespace {

struct Told {
  int code = -1;
  std::string out, error;
};

Told tell(const App& app, const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {},
          const char* binary = psctl::test::kBinary) {
  Process process(app.folder(), arguments, environment, binary);
  const int code = process.wait();
  return {code, process.out(), process.error()};
}

using Pixel = std::array<std::uint8_t, 3>;

struct Pixels {
  std::size_t width = 0, height = 0;
  std::vector<Pixel> pixels;
  const Pixel& at(std::size_t x, std::size_t y) const { return pixels[y * width + x]; }
};

Pixels read_png(const std::string& file) {
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  BOOST_TEST_REQUIRE(png_image_begin_read_from_file(&image, file.c_str()) != 0, image.message);
  image.format = PNG_FORMAT_RGB;
  Pixels pixels{image.width, image.height, std::vector<Pixel>(std::size_t{image.width} * image.height)};
  BOOST_TEST_REQUIRE(png_image_finish_read(&image, nullptr, pixels.pixels.data(), 0, nullptr) != 0, image.message);
  return pixels;
}

using Place = std::pair<std::size_t, std::size_t>;  // row, column

// Where the image stands in the sheet, every pixel `factor` times as large.
std::vector<Place> places(const Pixels& sheet, const Pixels& image, std::size_t factor) {
  std::vector<Place> found;
  for (std::size_t y = 0; y + image.height * factor <= sheet.height; ++y) {
    for (std::size_t x = 0; x + image.width * factor <= sheet.width; ++x) {
      bool same = true;
      for (std::size_t i = 0; same && i < image.width * factor * image.height * factor; ++i) {
        const std::size_t column = i % (image.width * factor), row = i / (image.width * factor);
        same = sheet.at(x + column, y + row) == image.at(column / factor, row / factor);
      }
      if (same) found.emplace_back(y, x);
    }
  }
  return found;
}

// Sample number i of the training part of the App's own data, which is of class i % 4.
Pixels own_image(const App& app, std::size_t i) {
  const std::string bytes = read_file(app.folder() / "data/train-images-idx3-ubyte").substr(16 + 64 * i, 64);
  Pixels image{8, 8, {}};
  for (const char c : bytes) {
    const auto value = static_cast<std::uint8_t>(c);
    image.pixels.push_back({value, value, value});
  }
  return image;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_sheet_shows_the_first_images_of_each_class_in_a_row_of_its_own) {
  const App app;
  const std::string file = app.folder() / "sheet.png";
  const Told told = tell(app, {"data", "inspect", app.folder() / "data", "--images", "--per-class", "3", "-o", file});
  BOOST_TEST(told.code == 0, told.error);
  const Pixels sheet = read_png(file);
  BOOST_TEST(told.out == fmt::format("{}: {} x {} pixels\n", file, sheet.width, sheet.height));
  std::vector<Place> first;
  for (std::size_t label = 0; label < 4; ++label) {
    for (std::size_t number = 0; number < 3; ++number) {
      const auto found = places(sheet, own_image(app, 4 * number + label), 8);
      BOOST_TEST_REQUIRE(found.size() == 1U);
      if (number == 0) first.push_back(found[0]);
      // In line with the first of its class, and in order.
      BOOST_TEST(found[0].first == first[label].first);
      BOOST_TEST(found[0].second == first[0].second + number * 68);
    }
    if (label > 0) BOOST_TEST(first[label].first > first[label - 1].first + 63);
    // The label on its left is neither empty nor that of another class.
    std::vector<Pixel> text;
    for (std::size_t y = 0; y < 64; ++y) {
      for (std::size_t x = 0; x < first[0].second; ++x) text.push_back(sheet.at(x, first[label].first + y));
    }
    BOOST_TEST(std::ranges::count(text, Pixel{0, 0, 0}) > 20);
    static std::vector<Pixel> before;
    BOOST_TEST((label == 0 || text != before));
    before = text;
  }
  BOOST_TEST(places(sheet, own_image(app, 12), 8).empty());
}

BOOST_AUTO_TEST_CASE(colours_stand_where_they_belong) {
  const App app;
  // Red, green, blue and white, channel after channel; and their negatives.
  write_file(app.folder() / "c.csv", "255,0,0,255,0,255,0,255,0,0,255,255,a\n0,255,255,0,255,0,255,0,255,255,0,0,b\n");
  BOOST_TEST(tell(app, {"data", "import", app.folder() / "c.csv", "--header", "no", "--label", "13", "--shape", "3x2x2",
                        "--values", "bytes", "-o", app.folder() / "c.psctl"})
                 .code == 0);
  const std::string file = app.folder() / "c.png";
  const Told told = tell(app, {"data", "inspect", app.folder() / "c.psctl", "--images", "-o", file});
  BOOST_TEST(told.code == 0, told.error);
  const Pixels image{2, 2, {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}}};
  BOOST_TEST(places(read_png(file), image, 32).size() == 1U);
  const Told letters = tell(app, {"data", "inspect", app.folder() / "c.psctl", "--images"});
  BOOST_TEST(contains(letters.out, "\na (1 sample)\n:#\n\nb (1 sample)\n#:\n"), letters.out);
}

BOOST_AUTO_TEST_CASE(floats_are_shown_from_the_least_to_the_largest) {
  const App app;
  write_file(app.folder() / "f.csv", "-1.5,-0.5,0.5,2.5,a\n-1.5,2.5,2.5,2.5,b\n");
  BOOST_TEST(tell(app, {"data", "import", app.folder() / "f.csv", "--header", "no", "--label", "5", "--shape", "2x2",
                        "-o", app.folder() / "f.psctl"})
                 .code == 0);
  const std::string file = app.folder() / "f.png";
  BOOST_TEST(tell(app, {"data", "inspect", app.folder() / "f.psctl", "--images", "-o", file}).code == 0);
  const Pixels image{2, 2, {{0, 0, 0}, {64, 64, 64}, {128, 128, 128}, {255, 255, 255}}};
  BOOST_TEST(places(read_png(file), image, 32).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_terminal_shows_two_pixels_a_character_if_it_has_the_colours) {
  const App app;
  const Pixels image = own_image(app, 0);
  const std::string command =
      fmt::format("stty cols 70; exec {} data inspect {} --images --per-class 2", psctl::test::kBinary, app.folder() / "data");
  const auto on_terminal = [&](const std::vector<std::string>& environment) {
    return tell(app, {"-qec", command, "/dev/null"}, environment, "/usr/bin/script").out;
  };
  const std::string colourful = on_terminal({"COLORTERM=truecolor"});
  BOOST_TEST(contains(colourful, "\n0 (150 samples)\r\n"), colourful);
  // The beginning of the first image: its first pixel over the one below.
  const Pixel upper = image.at(0, 0), lower = image.at(0, 1);
  const std::string begin =
      fmt::format("\n0 (150 samples)\r\n\033[38;2;{0};{0};{0};48;2;{1};{1};{1}m\u2580", upper[0], lower[0]);
  BOOST_TEST(contains(colourful, begin), colourful);
  for (const std::string& plain :
       {on_terminal({"COLORTERM=truecolor", "NO_COLOR=1"}), on_terminal({"COLORTERM="}),
        tell(app, {"data", "inspect", app.folder() / "data", "--images"}, {"COLORTERM=truecolor"}).out}) {
    BOOST_TEST(contains(plain, "0 (150 samples)"), plain);
    BOOST_TEST(!contains(plain, "\033[38;2"), plain);
    BOOST_TEST(!contains(plain, "\u2580"), plain);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_image_is_refused_with_a_word_on_what_it_is) {
  const App app;
  write_file(app.folder() / "t.csv", "1,2,3,4,5,6,7,8,a\n1,2,3,4,5,6,7,9,b\n1,2,3,4,5,6,7,7,a\n");
  write_file(app.folder() / "s.libsvm", "1 1:2 3:4\n-1 2:1\n");
  const auto refused = [&](const std::string& file, const std::vector<std::string>& more, const std::string& message) {
    std::vector<std::string> arguments = {"data", "inspect", file, "--images"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Told told = tell(app, arguments);
    BOOST_TEST(told.code == 2);
    BOOST_TEST(contains(told.error, message), told.error);
    BOOST_TEST(told.out == "");
  };
  const auto import = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"data", "import", app.folder() / "t.csv", "--header", "no", "--label",
                                          "9",    "-o",     app.folder() / name};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Told told = tell(app, arguments);
    BOOST_TEST_REQUIRE(told.code == 0, told.error);
    return app.folder() / name;
  };
  refused(import("rows.psctl", {}), {},
          "--images shows images, these samples are rows of 8 values; if they are images");
  refused(import("two.psctl", {"--shape", "2x2x2"}), {}, "--images shows images of 1 or 3 channels, these have 2");
  refused(app.folder() / "s.libsvm", {}, "these samples are sparse rows of 3 values");
  const std::string images = import("images.psctl", {"--shape", "2x4"});
  refused(images, {"--per-class", "0"}, "--per-class: expected from 1 to 1000 images of each of 2 classes, found 0");
  refused(images, {"--per-class", "99999999999"}, "--per-class: expected from 1 to 1000 images of each of 2 classes, ");
  refused(images, {"-o", "sheet.jpg"}, "--output: expected a name that ends in .png, found 'sheet.jpg'");
  refused(images, {"--check"}, "--images and --check do not go together");
  BOOST_TEST(tell(app, {"data", "inspect", images, "--images", "--per-class", "1000"}).code == 0);
}

BOOST_AUTO_TEST_CASE(the_line_below_the_title_fits_into_a_sheet_of_few_images) {
  const App app;
  const std::string file = app.folder() / "sheet.png";
  const Told told = tell(app, {"data", "inspect", app.folder() / "data", "--images", "--per-class", "1", "-o", file});
  BOOST_TEST_REQUIRE(told.code == 0, told.error);
  const Pixels sheet = read_png(file);
  for (std::size_t y = 0; y < sheet.height; ++y) {
    for (std::size_t x = sheet.width - 8; x < sheet.width; ++x) {
      BOOST_REQUIRE((sheet.at(x, y) == Pixel{255, 255, 255}));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_partition_is_drawn_the_darker_the_more_samples) {
  const App app;
  const std::string file = app.folder() / "parts.png";
  const Told told =
      tell(app, {"data", "inspect", "--partition", "--config", app.config(), "-o", file, "cluster.workers=2",
                 "cluster.compute_ms=5", "data.partition={kind: quantity, sizes: [1, 3]}"});
  BOOST_TEST(told.code == 0, told.error);
  const Pixels picture = read_png(file);
  // The upper left corners of the cells of class 0: 37 or so of 150 samples, and the rest.
  const Pixel few = picture.at(154, 130), many = picture.at(154, 130 + 48);
  BOOST_TEST((few[0] > many[0] && many[0] < 40));
  BOOST_TEST((picture.at(151, 127) == Pixel{0, 0, 0}));
  BOOST_TEST((picture.at(picture.width - 1, picture.height - 1) == Pixel{255, 255, 255}));
}

}  // namespace psctl::test
