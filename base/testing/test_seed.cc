#include "rcnn/base/testing/test_seed.h"

#include <cstdio>
#include <cstdlib>

namespace rcnn {
namespace {

uint64_t SeedFromEnvironment() {
  const char* text = std::getenv("RCNN_TEST_SEED");
  const uint64_t seed = text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
  std::printf("RCNN_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace

uint64_t TestSeed() {
  static const uint64_t seed = SeedFromEnvironment();
  return seed;
}

}  // namespace rcnn
