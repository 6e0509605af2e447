#include "rcnn/base/available_memory.h"

#include <unistd.h>

#include <cstdint>

#include "gtest/gtest.h"

namespace rcnn {
namespace {

TEST(AvailableMemoryTest, IsSomeOfTheMachine) {
  const int64_t bytes = AvailableMemoryBytes();
  EXPECT_GT(bytes, 0);
  EXPECT_LE(bytes, int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE));
}

TEST(AvailableMemoryTest, ReadsTheLineOfTheKernel) {
  EXPECT_EQ(ParseMemAvailable("MemTotal:       24500000 kB\nMemFree:  1 kB\n"
                              "MemAvailable:   22000000 kB\nBuffers: 3 kB\n"),
            int64_t{22000000} * 1024);
  EXPECT_EQ(ParseMemAvailable("MemTotal: 24500000 kB\n"), 0);
  EXPECT_EQ(ParseMemAvailable("MemAvailable: much\n"), 0);
  EXPECT_EQ(ParseMemAvailable(""), 0);
}

TEST(HumanBytesTest, TakesTheUnitThatFits) {
  EXPECT_EQ(HumanBytes(0), "0 MB");
  EXPECT_EQ(HumanBytes(849'600'000), "850 MB");
  EXPECT_EQ(HumanBytes(999'600'000), "1.0 GB");
  EXPECT_EQ(HumanBytes(12'340'000'000), "12.3 GB");
}

}  // namespace
}  // namespace rcnn
