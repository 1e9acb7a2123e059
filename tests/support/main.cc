// The main of every test program.
#define BOOST_TEST_MODULE PSCTL_TEST_NAME
#include <boost/test/unit_test.hpp>
