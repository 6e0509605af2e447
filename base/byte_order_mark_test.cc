#include "rcnn/base/byte_order_mark.h"

#include "gtest/gtest.h"

namespace rcnn {
namespace {

TEST(ByteOrderMarkTest, OnlyOneAtTheBeginningIsRemoved) {
  EXPECT_EQ(WithoutByteOrderMark("\xef\xbb\xbf{}"), "{}");
  EXPECT_EQ(WithoutByteOrderMark("\xef\xbb\xbf\xef\xbb\xbf{}"), "\xef\xbb\xbf{}");
  EXPECT_EQ(WithoutByteOrderMark("{}\xef\xbb\xbf"), "{}\xef\xbb\xbf");
  EXPECT_EQ(WithoutByteOrderMark("\xef\xbb"), "\xef\xbb");
  EXPECT_EQ(WithoutByteOrderMark(""), "");
}

}  // namespace
}  // namespace rcnn
