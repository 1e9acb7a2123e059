// What is in a data set, for people and as JSON.
#pragma once

#include <string>

#include "data/inspection.h"
#include "data/prepared.h"

namespace psctl::app {

// What the header of a prepared file says.
void print_facts(const data::Prepared& prepared);
// What reading the samples found, in columns by part.
void print_inspection(const data::Prepared& prepared, const data::Inspection& inspection);
// Both, and the number of samples of every class.
std::string inspection_json(const data::Prepared& prepared, const data::Inspection& inspection);

// The name of a class, or its number; cut to `most` characters, and without what a terminal would obey.
std::string class_name(const data::Prepared& prepared, std::size_t label, std::size_t most);

}  // namespace psctl::app
