#include "rcnn/data/core/fingerprint.h"

#include <cstdint>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace rcnn::data {
namespace {

TEST(Fingerprint, DependsOnlyOnAddedValues) {
  const std::string hex = Fingerprint().Add("person").Add(int64_t{3}).Add(0.5).Hex();
  EXPECT_EQ(hex, Fingerprint().Add("person").Add(int64_t{3}).Add(0.5).Hex());
  EXPECT_EQ(hex.size(), 32u);
}

// Stage keys outlive versions of the program.
TEST(Fingerprint, DoesNotChangeBetweenVersions) {
  EXPECT_EQ(Fingerprint().Hex(), "243f6a8885a308d313198a2e03707344");
  EXPECT_EQ(Fingerprint().Add(int64_t{0}).Hex(), "2cb0f69f4abea2211381709410fee3bd");
}

TEST(Fingerprint, DependsOnOrderAndBoundaries) {
  EXPECT_NE(Fingerprint().Add("ab").Add("c").Hex(), Fingerprint().Add("a").Add("bc").Hex());
  EXPECT_NE(Fingerprint().Add(int64_t{1}).Add(int64_t{2}).Hex(),
            Fingerprint().Add(int64_t{2}).Add(int64_t{1}).Hex());
  EXPECT_NE(Fingerprint().Add("").Hex(), Fingerprint().Hex());
  EXPECT_NE(Fingerprint().Add("a").Hex(), Fingerprint().Add(std::string("a\0", 2)).Hex());
}

TEST(Fingerprint, TreatsBothZerosEqually) {
  EXPECT_EQ(Fingerprint().Add(0.0).Hex(), Fingerprint().Add(-0.0).Hex());
}

TEST(Fingerprint, BothHalvesDependOnEveryValue) {
  std::set<std::string> first;
  std::set<std::string> second;
  for (int64_t i = 0; i < 1000; ++i) {
    const std::string hex = Fingerprint().Add(i).Add(int64_t{7}).Hex();
    first.insert(hex.substr(0, 16));
    second.insert(hex.substr(16));
  }
  EXPECT_EQ(first.size(), 1000u);
  EXPECT_EQ(second.size(), 1000u);
}

}  // namespace
}  // namespace rcnn::data
