// A run's folder: always new, never a collision; what was run and by what it was made goes in first.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "run/workbench.h"

namespace psctl::run {

// Makes OUT/NAME-DATE-TIME[-N]. Throws UserError where it cannot be, WorldError if the disk is full.
std::string make_folder(const std::string& out, const std::string& name);

// Makes this folder if it is not there. Throws as make_folder.
std::string use_folder(const std::string& folder);

// A run's folder is one run's, as long as this lives. Throws UserError if another process has it.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int folder_;
};

// Removes what an earlier run has left there, so that nothing of it stands beside what the next one writes. Throws
// UserError, and removes nothing, where there are files but no run, or a run that has ended and is not to be replaced.
void remove_earlier_run(const std::string& folder, bool replace);

// Writes config.yaml and made.json: overrides, version, digests of binary and data, BLAS core, libc, host, cores, time.
void write_origin(const std::string& folder, const Workbench& bench, const std::vector<std::string>& overrides);

// Writes model.f32, or model-VERSION.f32 for a checkpoint: the parameters as little-endian floats, in order.
void save_model(const std::string& folder, std::span<const float> parameters, std::optional<Version> version = {});

std::string host_name();

}  // namespace psctl::run
