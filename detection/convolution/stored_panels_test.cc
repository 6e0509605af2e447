#include "rcnn/detection/convolution/stored_panels.h"

#include <memory>
#include <stdexcept>
#include <utility>

#include "gtest/gtest.h"
#include "rcnn/detection/convolution/panel_product.h"

namespace rcnn::detection {
namespace {

// 0, 1, 2, ...
PackedPanels<float> Counting(int64_t count) {
  AlignedFloats numbers = AllocateFloats(count);
  for (int64_t i = 0; i < count; ++i) numbers[i] = static_cast<float>(i);
  return {std::move(numbers), count};
}

TEST(PackedPanelsTest, SharesWhatItStores) {
  PackedPanels<float> shared;
  {
    const PackedPanels<float> packed = Counting(20);
    shared = PackedPanels<float>(packed.stored(), 20);
    EXPECT_EQ(&shared[0], &packed[0]);
  }
  EXPECT_EQ(shared[19], 19);
  EXPECT_EQ(shared.stored().bytes, 80u);
}

TEST(PackedPanelsTest, RejectsOtherSizesAndOddPlaces) {
  const PackedPanels<float> packed = Counting(20);
  const StoredPanels stored = packed.stored();
  EXPECT_THROW(PackedPanels<float>(stored, 19), std::invalid_argument);
  EXPECT_THROW(PackedPanels<float>(stored, 21), std::invalid_argument);
  EXPECT_THROW(PackedPanels<double>(stored, 20), std::invalid_argument);
  const StoredPanels odd = {&packed[1], 76, stored.owner};
  EXPECT_THROW(PackedPanels<float>(odd, 19), std::invalid_argument);
}

TEST(PackedPanelsTest, OutlivesItsOwnersOtherHolders) {
  auto owner = std::make_shared<PackedPanels<float>>(Counting(16));
  StoredPanels stored = {&(*owner)[0], 64, owner};
  const std::weak_ptr<PackedPanels<float>> watch = owner;
  owner.reset();
  {
    const PackedPanels<float> shared(stored, 16);
    stored = {};
    EXPECT_FALSE(watch.expired());
    EXPECT_EQ(shared[15], 15);
  }
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace rcnn::detection
