#include "rcnn/detection/weights/zip_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include "absl/status/status.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::detection::weights {
namespace {

using ::testing::HasSubstr;

struct Record {
  std::string name;
  std::string bytes;
  zip_int32_t method = ZIP_CM_STORE;
};

// An archive as libzip writes it.
std::string Zip(const std::vector<Record>& records) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* const target = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_source_keep(target);
  zip_t* const archive = zip_open_from_source(target, ZIP_TRUNCATE, &error);
  for (const Record& record : records) {
    zip_source_t* const source =
        zip_source_buffer(archive, record.bytes.data(), record.bytes.size(), 0);
    const zip_int64_t index = zip_file_add(archive, record.name.c_str(), source, ZIP_FL_ENC_UTF_8);
    zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), record.method, 0);
  }
  EXPECT_EQ(zip_close(archive), 0);
  zip_source_open(target);
  zip_stat_t stat;
  zip_source_stat(target, &stat);
  std::string bytes(stat.size, '\0');
  EXPECT_EQ(zip_source_read(target, bytes.data(), stat.size), static_cast<zip_int64_t>(stat.size));
  zip_source_close(target);
  zip_source_free(target);
  return bytes;
}

void ReplaceAll(const std::string& from, const std::string& to, std::string& bytes) {
  ASSERT_EQ(from.size(), to.size());
  for (size_t at = bytes.find(from); at != std::string::npos; at = bytes.find(from, at + 1)) {
    bytes.replace(at, from.size(), to);
  }
}

TEST(ZipArchiveTest, ReadsStoredRecords) {
  const std::string bytes = Zip({{"a/data.pkl", "hello"}, {"a/data/0", std::string(1000, 'x')}});
  const auto archive = ZipArchive::Open(bytes);
  ASSERT_THAT(archive, IsOk());
  EXPECT_EQ(archive->sizes().at("a/data.pkl"), 5);
  EXPECT_EQ(archive->sizes().at("a/data/0"), 1000);
  EXPECT_EQ(*archive->Read("a/data.pkl"), "hello");
  EXPECT_EQ(*archive->Read("a/data/0"), std::string(1000, 'x'));
  EXPECT_EQ(*archive->Read("a/data.pkl"), "hello");
}

TEST(ZipArchiveTest, MissingRecordAndWrongSizeAreErrors) {
  const std::string bytes = Zip({{"a", "hello"}});
  const auto archive = ZipArchive::Open(bytes);
  ASSERT_THAT(archive, IsOk());
  EXPECT_THAT(archive->Read("b"), StatusIs(absl::StatusCode::kNotFound));
  char small[4];
  EXPECT_THAT(archive->ReadInto("a", small, 4), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ZipArchiveTest, PathsOutsideAreErrorsThatNameThem) {
  for (const char* name : {"../evil", "/etc/passwd", "a/../../b", "a\\..\\b"}) {
    const auto archive = ZipArchive::Open(Zip({{"ok", "1"}, {name, "2"}}));
    EXPECT_THAT(archive,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("outside the archive")))
        << name;
  }
}

TEST(ZipArchiveTest, CompressedRecordsAreListedAndNotRead) {
  const std::string bytes =
      Zip({{"bomb", std::string(1 << 20, '\0'), ZIP_CM_DEFLATE}, {"ok", "1"}});
  const auto archive = ZipArchive::Open(bytes);
  ASSERT_THAT(archive, IsOk());
  EXPECT_EQ(archive->sizes().at("bomb"), -1);
  EXPECT_TRUE(archive->Has("bomb"));
  EXPECT_EQ(*archive->Read("ok"), "1");
  const auto record = archive->Read("bomb");
  EXPECT_THAT(record,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'bomb' is compressed")));
}

TEST(ZipArchiveTest, DuplicateRecordsAreAnError) {
  std::string bytes = Zip({{"aa", "1"}, {"bb", "2"}});
  ReplaceAll("bb", "aa", bytes);
  EXPECT_THAT(ZipArchive::Open(bytes), ::testing::Not(IsOk()));
}

TEST(ZipArchiveTest, DetectsChangedBytes) {
  std::string bytes = Zip({{"data", "some weights"}});
  bytes[bytes.find("weights")] = 'W';
  const auto archive = ZipArchive::Open(bytes);
  ASSERT_THAT(archive, IsOk());
  const auto record = archive->Read("data");
  EXPECT_THAT(record, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("'data'")));
}

TEST(ZipArchiveTest, EveryPrefixIsAnError) {
  const std::string bytes = Zip({{"data", "some weights"}, {"more", "weights"}});
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(ZipArchive::Open(absl::string_view(bytes).substr(0, size)), ::testing::Not(IsOk()))
        << size;
  }
}

// Each byte changed to each of a few values: an error or the same contents.
TEST(ZipArchiveTest, ChangedBytesNeverGiveOtherContents) {
  const std::string bytes = Zip({{"data", "some weights"}});
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const char change : {'\x01', '\x10', '\x80', '\xff'}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ change);
      const auto archive = ZipArchive::Open(changed);
      if (!archive.ok()) continue;
      for (const auto& [name, size] : archive->sizes()) {
        const auto record = archive->Read(name);
        if (record.ok()) {
          EXPECT_EQ(*record, "some weights") << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace rcnn::detection::weights
