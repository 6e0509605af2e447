#include "rcnn/data/core/image_file_name.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

class NameInFolderTest : public testing::Test {
 protected:
  NameInFolderTest() : folder_(testing::TempDir() + "/name_in_folder") {
    std::filesystem::remove_all(folder_);
    EXPECT_THAT(CreateDirectories(folder_ + "/images"), IsOk());
  }
  const std::string folder_;
};

TEST_F(NameInFolderTest, OrdinaryNamesStay) {
  for (const char* name : {"a.jpg", "sub/a.jpg", "a b.png", "./a.jpg", "a:b.jpg"}) {
    EXPECT_THAT(NameInFolder(folder_, name), IsOkAndHolds(std::string(name)));
    EXPECT_THAT(NameInFolder("", name), IsOkAndHolds(std::string(name)));
  }
}

TEST_F(NameInFolderTest, BackslashesPartFolders) {
  EXPECT_THAT(NameInFolder(folder_, R"(images\sub\a.jpg)"), IsOkAndHolds("images/sub/a.jpg"));
  const std::string odd = R"(odd\name.jpg)";
  ASSERT_THAT(WriteFileAtomically(folder_ + "/" + odd, "x"), IsOk());
  EXPECT_THAT(NameInFolder(folder_, odd), IsOkAndHolds(odd)) << "a file of that very name";
}

TEST_F(NameInFolderTest, AbsoluteNamesInTheFolderLoseIt) {
  EXPECT_THAT(NameInFolder(folder_, folder_ + "/images/a.jpg"), IsOkAndHolds("images/a.jpg"));
  EXPECT_THAT(NameInFolder(folder_ + "/", folder_ + "//images/../a.jpg"), IsOkAndHolds("a.jpg"));
  const std::string link = testing::TempDir() + "/name_in_folder_link";
  std::filesystem::remove(link);
  std::filesystem::create_directory_symlink(folder_, link);
  const std::string real = std::filesystem::canonical(folder_).string();
  EXPECT_THAT(NameInFolder(link, real + "/a.jpg"), IsOkAndHolds("a.jpg"));
  EXPECT_THAT(NameInFolder(link, link + "/a.jpg"), IsOkAndHolds("a.jpg"));
}

TEST_F(NameInFolderTest, NamesThatLeadOutAreErrors) {
  for (const std::string& name :
       {std::string("../a.jpg"), std::string("/etc/passwd"), folder_ + "2/a.jpg",
        folder_ + "/../a.jpg", std::string(R"(..\a.jpg)"), std::string(R"(C:\images\a.jpg)"),
        std::string("sub/../../a.jpg")}) {
    EXPECT_THAT(NameInFolder(folder_, name),
                StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("")))
        << name;
  }
}

}  // namespace
}  // namespace rcnn::data
