#include "rcnn/detection/packed_cache_options.h"

#include <stdlib.h>

#include "gtest/gtest.h"

namespace rcnn::detection {
namespace {

TEST(DefaultPackedCacheFolder, IsTheUsersUnlessTheEnvironmentSaysOtherwise) {
  setenv("TEST_TMPDIR", "/tests", 1);
  unsetenv("RCNN_PACKED_CACHE");
  EXPECT_EQ(DefaultPackedCacheFolder(), "");
  setenv("RCNN_PACKED_CACHE", "/mine", 1);
  EXPECT_EQ(DefaultPackedCacheFolder(), "/mine");
  unsetenv("TEST_TMPDIR");
  setenv("RCNN_PACKED_CACHE", "off", 1);
  EXPECT_EQ(DefaultPackedCacheFolder(), "");
  unsetenv("RCNN_PACKED_CACHE");
  setenv("XDG_CACHE_HOME", "/cache", 1);
  EXPECT_EQ(DefaultPackedCacheFolder(), "/cache/rcnn/packed_models");
}

}  // namespace
}  // namespace rcnn::detection
