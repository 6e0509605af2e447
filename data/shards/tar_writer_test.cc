#include "rcnn/data/shards/tar_writer.h"

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Members = std::vector<std::pair<std::string, std::string>>;

std::string Path(const std::string& name) { return absl::StrCat(::testing::TempDir(), "/", name); }

// Writes the members and returns their offsets.
std::vector<int64_t> Write(const std::string& path, const Members& members, FileDigest& digest) {
  absl::StatusOr<TarWriter> tar = TarWriter::Create(path);
  EXPECT_THAT(tar, IsOk());
  std::vector<int64_t> offsets;
  for (const auto& [name, bytes] : members) {
    const absl::StatusOr<int64_t> offset = tar->Add(name, bytes);
    EXPECT_THAT(offset, IsOk());
    offsets.push_back(offset.value_or(-1));
  }
  const absl::StatusOr<FileDigest> written = tar->Commit();
  EXPECT_THAT(written, IsOk());
  digest = written.value_or(FileDigest());
  return offsets;
}

// Reads with libarchive's own reader.
Members Read(const std::string& path) {
  const std::unique_ptr<archive, int (*)(archive*)> reader(archive_read_new(), &archive_read_free);
  archive_read_support_format_tar(reader.get());
  EXPECT_EQ(archive_read_open_filename(reader.get(), path.c_str(), 10240), ARCHIVE_OK);
  Members members;
  archive_entry* entry = nullptr;
  while (archive_read_next_header(reader.get(), &entry) == ARCHIVE_OK) {
    EXPECT_EQ(archive_entry_mtime(entry), 0);
    EXPECT_EQ(archive_entry_uid(entry), 0);
    EXPECT_EQ(archive_entry_perm(entry), 0644u);
    std::string bytes(static_cast<size_t>(archive_entry_size(entry)), '\0');
    EXPECT_EQ(archive_read_data(reader.get(), bytes.data(), bytes.size()),
              static_cast<la_ssize_t>(bytes.size()));
    members.emplace_back(archive_entry_pathname(entry), bytes);
  }
  return members;
}

TEST(TarWriterTest, MembersAreReadBackByLibarchive) {
  const Members members = {{"0.jpg", std::string(1000, 'a')}, {"0.json", "{}"}, {"1.jpg", ""}};
  FileDigest digest;
  Write(Path("a.tar"), members, digest);
  EXPECT_EQ(Read(Path("a.tar")), members);
}

TEST(TarWriterTest, OffsetsPointToTheBytes) {
  const Members members = {{"0.jpg", std::string(513, 'a')}, {"1.jpg", "second"}};
  FileDigest digest;
  const std::vector<int64_t> offsets = Write(Path("b.tar"), members, digest);
  // A header of 512 bytes before each member, which is padded to a multiple of 512.
  EXPECT_THAT(offsets, ElementsAre(512, 2048));
  const absl::StatusOr<std::string> tar = ReadFile(Path("b.tar"), {.expected = digest});
  ASSERT_THAT(tar, IsOk());
  EXPECT_EQ(absl::string_view(*tar).substr(2048, 6), "second");
}

TEST(TarWriterTest, EqualMembersGiveEqualBytes) {
  const Members members = {{"0.jpg", "x"}, {"0.json", "y"}};
  FileDigest first;
  FileDigest second;
  Write(Path("c.tar"), members, first);
  Write(Path("d.tar"), members, second);
  EXPECT_TRUE(first == second);
}

TEST(TarWriterTest, WithoutCommitThereIsNoFile) {
  {
    absl::StatusOr<TarWriter> tar = TarWriter::Create(Path("none.tar"));
    ASSERT_THAT(tar, IsOk());
    ASSERT_THAT(tar->Add("0.jpg", "x"), IsOk());
  }
  EXPECT_THAT(ReadFile(Path("none.tar")), StatusIs(absl::StatusCode::kNotFound));
}

TEST(TarWriterTest, ErrorsNameTheFolderAndTheMember) {
  EXPECT_THAT(TarWriter::Create(Path("missing/a.tar")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("missing")));
  absl::StatusOr<TarWriter> tar = TarWriter::Create(Path("e.tar"));
  ASSERT_THAT(tar, IsOk());
  const std::string name(300, 'n');
  EXPECT_THAT(tar->Add(name, "x"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nnnnn: ")));
}

}  // namespace
}  // namespace rcnn::data
