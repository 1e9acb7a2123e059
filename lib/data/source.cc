#include "data/source.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <unistd.h>

#include "base/error.h"
#include "base/sha256.h"
#include "base/text.h"
#include "data/catalogue.h"
#include "data/idx.h"
#include "data/prepared.h"

namespace psctl::data {
namespace {

namespace fs = std::filesystem;

std::string advice_on_folders() { return fmt::format("a data folder must hold {}", kIdxFolderFiles); }

[[noreturn]] void refuse_unknown(const char* key, const std::string& name) {
  const std::vector<std::string> names = known_names();
  const std::string near = nearest(name, names);
  throw UserError(fmt::format("{}: '{}' is neither a known data set ({}) nor a file or folder{}; {}", key, name,
                              enumerate(names), near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near),
                              advice_on_folders()));
}

// Whether there is a folder; throws unless there is something that can be read.
bool is_folder(const char* key, const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) refuse_unknown(key, path);
  if (error) throw UserError(fmt::format("{}: {}: cannot be read: {}", key, path, error.message()));
  const bool folder = fs::is_directory(status);
  if (!folder && !fs::is_regular_file(status)) {
    throw UserError(fmt::format("{}: {}: expected a file or a folder, found something else", key, path));
  }
  if (faccessat(AT_FDCWD, path.c_str(), folder ? R_OK | X_OK : R_OK, AT_EACCESS) != 0) {
    throw UserError(fmt::format("{}: {}: cannot be read: {}", key, path, std::strerror(errno)));
  }
  return folder;
}

const Importer& importer_of(const Source& source, const std::string& format) {
  if (!format.empty()) {
    try {
      return importer_for(source.inputs, format);
    } catch (const UserError& error) {
      throw UserError("data.import.format", error);
    }
  }
  try {
    return importer_for(source.inputs);
  } catch (const UserError& error) {
    const fs::path& path = source.inputs.front().path;
    if (!fs::is_directory(path)) throw UserError("data.source", error);
    throw UserError(
        fmt::format("data.source: {}: holds no data set that psctl reads; {}", path.string(), source.advice));
  }
}

// A folder, a prepared file and a known name bring all parts, so they stand alone.
void refuse_beside_others(const DataConfig& config, const std::string& what) {
  const auto refuse = [&](const char* key, const std::vector<std::string>& files) {
    throw UserError(
        fmt::format("{}: expected no files beside {}, which brings all parts; found {}", key, what, name_of(files)));
  };
  if (config.source.size() > 1) refuse("data.source", config.source);
  if (!config.test.files.empty()) refuse("data.test", config.test.files);
  if (!config.validation.files.empty()) refuse("data.validation", config.validation.files);
}

}  // namespace

std::string name_of(const std::vector<std::string>& files) {
  constexpr std::size_t kMostNamed = 3;
  if (files.size() <= kMostNamed) return enumerate(files);
  return fmt::format("{} and {}", files.front(), counted(files.size() - 1, "file more", "files more"));
}

fs::path path_of_source(const std::string& name) {
  const KnownSet* const known = find_known(name);
  std::error_code error;
  if (!known || fs::exists(fs::status(name, error))) return name;
  const fs::path place = place_of(*known);
  if (place.empty()) {
    throw UserError(fmt::format("{} is not on this machine; to get it: {}", name, how_to_get(*known)));
  }
  return place;
}

bool is_prepared(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return false;
  std::array<char, 16> begin{};
  std::ifstream file(path, std::ios::binary);
  file.read(begin.data(), begin.size());
  const auto count = static_cast<std::size_t>(file.gcount());
  return Prepared::recognises({reinterpret_cast<const std::uint8_t*>(begin.data()), count});
}

Source find_source(const DataConfig& config) {
  if (config.source.empty())
    throw UserError("data.source: expected a known data set, a file or a folder, found nothing");
  Source source{.name = name_of(config.source), .prepared = {}, .inputs = {}, .advice = {}};
  const auto add = [&](const char* key, const std::vector<std::string>& files, Part part, const char* labels_key,
                       const std::optional<std::vector<std::string>>& labels) {
    if (labels && labels->size() != files.size()) {
      throw UserError(fmt::format("{}: expected a file of labels for each of {} of {}, found {}", labels_key,
                                  counted(files.size(), "file"), key, labels->size()));
    }
    for (std::size_t i = 0; i < files.size(); ++i) {
      const std::string file = part == Part::kTrain ? path_of_source(files[i]).string() : files[i];
      const bool folder = is_folder(key, file);
      if (file != files[i]) {
        source.advice = fmt::format("to get the data anew, remove that and: {}", how_to_get(*find_known(files[i])));
      } else if (folder) {
        source.advice = advice_on_folders();
      }
      if (!folder && is_prepared(file)) {
        if (part != Part::kTrain) {
          throw UserError(
              fmt::format("{}: {}: expected a file of the format of data.source, found a prepared file", key, file));
        }
        source.prepared = file;
      }
      if (folder || !source.prepared.empty()) refuse_beside_others(config, file);
      if (labels) is_folder(labels_key, (*labels)[i]);
      source.inputs.push_back({.path = file, .part = part, .labels = labels ? fs::path((*labels)[i]) : fs::path()});
    }
  };
  add("data.source", config.source, Part::kTrain, "data.import.labels", config.import.labels);
  add("data.validation", config.validation.files, Part::kValidation, "data.import.validation_labels",
      config.import.validation_labels);
  add("data.test", config.test.files, Part::kTest, "data.import.test_labels", config.import.test_labels);
  if (source.prepared.empty()) source.importer = &importer_of(source, config.import.format);
  return source;
}

std::vector<fs::path> files_of(const Importer& importer, std::span<const Input> inputs) {
  std::vector<fs::path> files;
  for (const Input& input : inputs) {
    if (importer.files) {
      const auto more = importer.files(input);
      files.insert(files.end(), more.begin(), more.end());
      continue;
    }
    if (!input.labels.empty()) files.push_back(input.labels);
    if (!fs::is_directory(input.path)) {
      files.push_back(input.path);
      continue;
    }
    const auto first = static_cast<std::ptrdiff_t>(files.size());
    for (const auto& entry : fs::directory_iterator(input.path)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin() + first, files.end());
  }
  return files;
}

Sha256Bytes digest_of(std::span<const Input> inputs, std::span<const fs::path> files) {
  Sha256 all;
  const auto add = [&](const std::string& text) { all.add(std::as_bytes(std::span(text))); };
  for (const Input& input : inputs) add(fmt::format("{} ", static_cast<int>(input.part)));
  // The names count too: formats that come as a folder know files by them.
  for (const fs::path& file : files) {
    std::error_code error;
    if (fs::status(file, error).type() == fs::file_type::not_found) {
      throw UserError(fmt::format("{}: expected a file, found nothing", file.string()));
    }
    const std::string name = file.filename().string();
    add(fmt::format("\n{} {} {}", name.size(), name, sha256_of_file(file.string())));
  }
  return all.finish_raw();
}

std::string hex(const Sha256Bytes& digest) {
  return fmt::format("{:02x}", fmt::join(std::span(reinterpret_cast<const unsigned char*>(digest.data()), 32), ""));
}

}  // namespace psctl::data
