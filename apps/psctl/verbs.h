// The verbs of the command line. Each reads its arguments, calls the library, prints, and returns the exit code.
#pragma once

namespace psctl::app {

int train(int argc, char** argv);
int replay(int argc, char** argv);
int data(int argc, char** argv);
int config(int argc, char** argv);
int strategies(int argc, char** argv);
int verify(int argc, char** argv);
int server(int argc, char** argv);
int worker(int argc, char** argv);
int evaluator(int argc, char** argv);

}  // namespace psctl::app
