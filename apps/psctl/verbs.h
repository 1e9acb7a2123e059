// The verbs of the command line. Each reads its arguments, calls the library, prints, and returns the exit code.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace psctl::app {

struct Verb {
  const char* name;
  const char* does;  // one line of help
  int (*run)(int argc, char** argv);
};

// One a line, with what it does.
void print_verbs(std::span<const Verb> verbs);
// Throws UserError, with the likeliest slip, if there is none of that name; `program` is what comes before it on the
// command line.
const Verb& find_verb(std::span<const Verb> verbs, std::string_view name, const std::string& program);

int train(int argc, char** argv);
int sweep(int argc, char** argv);
int runs(int argc, char** argv);
int compare(int argc, char** argv);
int replay(int argc, char** argv);
int reproduce(int argc, char** argv);
int plot(int argc, char** argv);
int report(int argc, char** argv);
int explain(int argc, char** argv);
int data(int argc, char** argv);
int config(int argc, char** argv);
int strategies(int argc, char** argv);
int verify(int argc, char** argv);
int server(int argc, char** argv);
int worker(int argc, char** argv);
int evaluator(int argc, char** argv);

}  // namespace psctl::app
