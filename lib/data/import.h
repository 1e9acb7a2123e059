// From a file of the user's to samples: what every format offers (Importer), and where its samples go (Sink). Samples
// stream from one to the other, so neither holds a file whole and a file larger than memory is imported like any other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/import_options.h"
#include "data/samples.h"

namespace psctl::data {

// What the samples are for. A sink is given the parts in this order.
enum class Part { kTrain, kValidation, kTest };

struct Description {
  Shape shape;  // sparse: {1, 1, 0}, as Summary tells the width
  Values values = Values::kBytes;
  bool sparse = false;  // CSR, with Values::kFloats
};

// Some samples, row after row. Spans are valid for the call only.
struct Rows {
  std::span<const std::uint8_t> bytes;         // dense, Values::kBytes: labels.size() x shape.size()
  std::span<const float> floats;               // dense, Values::kFloats: the same; finite, or NaN where it is missing
  std::span<const Entry> entries;              // sparse: of all rows; in a row, indices ascend and none comes twice
  std::span<const std::uint32_t> row_entries;  // sparse: how many entries each row has
  // One code a sample. A format whose classes are known at the end only hands out codes from 0 as labels turn up, and
  // Summary says which class each code is.
  std::span<const std::uint32_t> labels;
};

// What is known when everything was read.
struct Summary {
  std::vector<std::string> classes;     // names, in the order of the class numbers; at least two
  std::vector<std::uint32_t> class_of;  // the class of every label code; empty: codes are classes
  std::uint64_t features = 0;           // sparse: at least 1 + the largest index
  std::vector<std::string> notes;       // what the user should be told: "labels -1 and 1 became classes 0 and 1"
};

// Takes samples in: begin, then for every part begin_part and any number of add, then end. One thread at a time. Throws
// WorldError if what it writes to fails, UserError if there are more samples than it takes; InternalError where an
// importer breaks the contract. A sink that was not brought to its end leaves nothing behind.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void begin(const Description& description) = 0;
  virtual void begin_part(Part part) = 0;
  virtual void add(const Rows& rows) = 0;
  virtual void end(const Summary& summary) = 0;
};

// A file to read; or, for a format that comes as a folder with fixed names, the folder (then `part` says nothing).
struct Input {
  std::filesystem::path path;
  Part part = Part::kTrain;
  std::filesystem::path labels;  // where a format keeps them in a file of their own; else empty
};

// What can be seen of an input without reading it whole.
struct Glimpse {
  std::filesystem::path path;
  bool folder = false;
  bool packed = false;                      // gzip; `begin` is unpacked
  std::uint64_t size = 0;                   // of the file, as it is stored
  std::span<const std::uint8_t> begin;      // the content's first bytes, at most 64 KiB; empty for a folder
  std::span<const std::string> file_names;  // in the folder
};

struct Importer {
  const char* name;                            // "libsvm", as for --format
  const char* holds;                           // one line for people: what such a file is
  std::span<const std::string_view> options;   // the ImportOptions it uses, by their names; any other is refused
  bool (*recognises)(const Glimpse& glimpse);  // by content; must not throw, and says no when in doubt
  // How names of such files end, in small letters. Of a file that nobody recognises, as it is damaged,
  // the name tells who says what is wrong with it.
  std::span<const std::string_view> endings = {};
  // All files that are read for this input, those beside it included. Null: the input's, or those of its folder.
  std::vector<std::filesystem::path> (*files)(const Input& input) = nullptr;
  // Reads the inputs, which are in the order of their parts, into the sink. The classes are those of the training part.
  // Throws UserError "file: line N (or byte N): what was expected, what was found"; WorldError if reading fails midway.
  void (*run)(std::span<const Input> inputs, const ImportOptions& options, Sink& sink);
  bool labels_apart = false;  // whether it uses Input::labels, which are refused else
  // Whether any text may look like it: of a file that it recognises and whose name says another format, the user must
  // say which it is.
  bool is_text = false;
};

// All formats, in the order in which they are asked whether they recognise a file.
std::span<const Importer> importers();

// The format of that name; or, if it is empty, the one that recognises the first input, or else the one of its name; of
// text, neither if they differ. Throws UserError.
const Importer& importer_for(std::span<const Input> inputs, const std::string& format = {});

// The names of the options that are set.
std::vector<std::string> given(const ImportOptions& options);

// Throws UserError for an option or labels that the format does not use.
void check_options(const Importer& importer, std::span<const Input> inputs, const ImportOptions& options);

// Reads the inputs into the sink. Throws as check_options and Importer::run.
void import_data(const Importer& importer, std::span<const Input> inputs, const ImportOptions& options, Sink& sink);

// One of them each; defined in the file of the format.
extern const Importer kIdxImporter;
extern const Importer kCifar10Importer, kCifar100Importer;
extern const Importer kNumpyImporter;
extern const Importer kLibsvmImporter, kCsvImporter;

}  // namespace psctl::data
