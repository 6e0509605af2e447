#include "rcnn/base/shell_command.h"

#include "gtest/gtest.h"

namespace rcnn {
namespace {

TEST(ShellCommandTest, QuotesWhatAShellWouldTakeForItsOwn) {
  EXPECT_EQ(ShellCommand({"evaluate", "--report=runs/a-1/r.html", "coco:x_y.json:val"}),
            "evaluate --report=runs/a-1/r.html coco:x_y.json:val");
  EXPECT_EQ(ShellCommand({"a b", "", "$(id);x", "it's"}), "'a b' '' '$(id);x' 'it'\\''s'");
  EXPECT_EQ(ShellCommand({"~", "*", "caf\xc3\xa9"}), "'~' '*' 'caf\xc3\xa9'");
}

TEST(BazelCommandTest, StartsAProgramInACheckout) {
  EXPECT_EQ(BazelCommand("//data:inspect", {"--dataset=my images", "--strict"}),
            "./bazelw run //data:inspect -- '--dataset=my images' --strict");
}

}  // namespace
}  // namespace rcnn
