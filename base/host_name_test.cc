#include "rcnn/base/host_name.h"

#include <sys/utsname.h>

#include <string>

#include "gtest/gtest.h"

namespace rcnn {
namespace {

TEST(HostNameTest, IsTheNodeOfUname) {
  struct utsname names = {};
  ASSERT_EQ(uname(&names), 0);
  const std::string node = names.nodename;
  EXPECT_EQ(HostName(), node.empty() ? "unknown" : node);
  EXPECT_EQ(HostName("localhost"), node.empty() ? "localhost" : node);
}

}  // namespace
}  // namespace rcnn
