#include "rcnn/training/trainer/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/trainer/append_file.h"
#include "rcnn/training/trainer/event.pb.h"

namespace rcnn::training {
namespace {

constexpr absl::string_view kPrefix = "events.out.tfevents.";
constexpr absl::string_view kFileVersion = "brain.Event:2";
constexpr int kStringType = 7;
constexpr size_t kHeaderBytes = 12;  // length and its checksum
constexpr size_t kFrameBytes = 16;   // and that of the payload

std::string LittleEndian(uint64_t value, int bytes) {
  std::string text(static_cast<size_t>(bytes), '\0');
  for (int i = 0; i < bytes; ++i) {
    text[static_cast<size_t>(i)] = static_cast<char>(value >> (8 * i) & 0xff);
  }
  return text;
}

uint64_t FromLittleEndian(absl::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i > 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i - 1]);
  return value;
}

uint32_t MaskedCrc(absl::string_view bytes) {
  const uint32_t crc = Crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

// Removes the next record from `rest` and returns its payload; nullopt at the end
// and for an incomplete record.
absl::optional<absl::string_view> NextPayload(absl::string_view& rest) {
  if (rest.size() < kFrameBytes) return absl::nullopt;
  const uint64_t size = FromLittleEndian(rest.substr(0, 8));
  if (FromLittleEndian(rest.substr(8, 4)) != MaskedCrc(rest.substr(0, 8))) return absl::nullopt;
  if (size > rest.size() - kFrameBytes) return absl::nullopt;
  const absl::string_view payload = rest.substr(kHeaderBytes, size);
  if (FromLittleEndian(rest.substr(kHeaderBytes + size, 4)) != MaskedCrc(payload)) {
    return absl::nullopt;
  }
  rest.remove_prefix(kFrameBytes + size);
  return payload;
}

std::string Serialize(const Event& event) { return event.SerializeAsString(); }

Event NewEvent(int64_t step, absl::Time time) {
  Event event;
  event.set_wall_time(absl::ToDoubleSeconds(time - absl::UnixEpoch()));
  event.set_step(step);
  return event;
}

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0') return "localhost";
  return name;
}

// Bytes of `file` before the first record of `first_step` or later; 0 if nothing
// but the version is before it.
size_t KeptBytes(absl::string_view file, int64_t first_step) {
  absl::string_view rest = file;
  size_t kept = 0;
  for (;;) {
    const absl::optional<absl::string_view> payload = NextPayload(rest);
    Event event;
    if (!payload.has_value() ||
        !event.ParseFromArray(payload->data(), static_cast<int>(payload->size()))) {
      return kept;
    }
    if (event.what_case() == Event::kFileVersion) continue;
    if (event.step() >= first_step) return kept;
    kept = file.size() - rest.size();
  }
}

absl::Status CutFile(const std::string& path, int64_t first_step) {
  RCNN_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  const size_t kept = KeptBytes(bytes, first_step);
  if (kept == bytes.size()) return absl::OkStatus();
  if (kept == 0 && unlink(path.c_str()) == 0) return absl::OkStatus();
  if (kept > 0 && truncate(path.c_str(), static_cast<off_t>(kept)) == 0) return absl::OkStatus();
  return ErrnoStatus("shorten", path);
}

}  // namespace

std::string FrameRecord(absl::string_view payload) {
  const std::string length = LittleEndian(payload.size(), 8);
  return absl::StrCat(length, LittleEndian(MaskedCrc(length), 4), payload,
                      LittleEndian(MaskedCrc(payload), 4));
}

absl::Status CutEvents(const std::string& directory, absl::string_view label, int64_t first_step) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    if (!absl::StartsWith(name, kPrefix) || !absl::EndsWith(name, absl::StrCat(".", label)))
      continue;
    RCNN_RETURN_IF_ERROR(CutFile(entry.path().string(), first_step));
  }
  if (!error) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("cannot list ", directory, ": ", error.message()));
}

absl::StatusOr<EventFile> EventFile::Create(const std::string& directory, absl::string_view label,
                                            absl::Time now) {
  // Makes names unique within a second and a process.
  static std::atomic<int> counter{0};
  const std::string path =
      absl::StrFormat("%s/%s%010d.%s.%d.%d.%s", directory, kPrefix, absl::ToUnixSeconds(now),
                      HostName(), getpid(), counter.fetch_add(1), label);
  RCNN_ASSIGN_OR_RETURN(AppendFile file, AppendFile::Open(path));
  EventFile events(std::move(file));
  Event version = NewEvent(0, now);
  version.set_file_version(std::string(kFileVersion));
  RCNN_RETURN_IF_ERROR(events.file_.Append(FrameRecord(Serialize(version))));
  return events;
}

absl::Status EventFile::AddScalars(int64_t step, absl::Time time,
                                   const std::vector<std::pair<std::string, double>>& values) {
  Event event = NewEvent(step, time);
  for (const auto& [tag, number] : values) {
    SummaryValue& value = *event.mutable_summary()->add_value();
    value.set_tag(tag);
    value.set_simple_value(static_cast<float>(number));
  }
  return file_.Append(FrameRecord(Serialize(event)));
}

absl::Status EventFile::AddText(int64_t step, absl::Time time, absl::string_view tag,
                                absl::string_view text) {
  Event event = NewEvent(step, time);
  SummaryValue& value = *event.mutable_summary()->add_value();
  value.set_tag(std::string(tag));
  value.mutable_metadata()->mutable_plugin_data()->set_plugin_name("text");
  value.mutable_tensor()->set_dtype(kStringType);
  value.mutable_tensor()->mutable_tensor_shape()->add_dim()->set_size(1);
  value.mutable_tensor()->add_string_val(std::string(text));
  return file_.Append(FrameRecord(Serialize(event)));
}

}  // namespace rcnn::training
