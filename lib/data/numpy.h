// NumPy's files: .npy, one array after a header that is a Python dictionary; .npz, a zip archive of them.
#pragma once

#include <span>
#include <vector>

#include "data/arrays.h"

namespace psctl::data {

// Reads files, which are in the order of their parts, into the sink as import_arrays does.
//
// With a file of labels, the samples are the only array of their file and the labels the only one of theirs. Else the
// samples' file is an .npz whose arrays' names tell: a word for samples (x, data, images, ...) and one for labels (y,
// labels, target, ...), by themselves or with train, val or test before or behind. Names with parts bring all parts, so
// such a file is read alone. `label` names the array of labels instead; then the samples are the only other array, or
// the only one named as samples are.
//
// Arrays are of numbers or bools, of text if they are labels; objects, records, complex numbers and times are refused.
// In Fortran order they must not be packed. Throws UserError.
void import_numpy(std::span<const LabelledText> texts, const ImportOptions& options, Sink& sink);

}  // namespace psctl::data
