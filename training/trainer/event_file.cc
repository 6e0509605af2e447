#include "rcnn/training/trainer/event_file.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/host_name.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/training/trainer/append_file.h"
#include "rcnn/training/trainer/event.pb.h"

namespace rcnn::training {
namespace {

using ::google::protobuf::internal::WireFormatLite;
using ::google::protobuf::io::CodedInputStream;

constexpr absl::string_view kPrefix = "events.out.tfevents.";
constexpr absl::string_view kFileVersion = "brain.Event:2";
constexpr int kFloatType = 1;
constexpr int kStringType = 7;
constexpr int kRgb = 3;
constexpr int kHistogramBuckets = 40;
constexpr size_t kHeaderBytes = 12;  // length and its checksum
constexpr size_t kFrameBytes = 16;   // and that of the payload
constexpr int64_t kMaxBytes = int64_t{1} << 30;

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

struct Frame {
  absl::string_view payload;
  bool is_intact = false;  // the payload matches its checksum
};

// The record at the beginning of `bytes`; nullopt if its length is damaged, or it is incomplete.
absl::optional<Frame> FirstFrame(absl::string_view bytes) {
  if (bytes.size() < kFrameBytes) return absl::nullopt;
  const uint64_t size = FromLittleEndian(bytes.substr(0, 8));
  if (FromLittleEndian(bytes.substr(8, 4)) != MaskedCrc(bytes.substr(0, 8))) return absl::nullopt;
  if (size > bytes.size() - kFrameBytes) return absl::nullopt;
  const absl::string_view payload = bytes.substr(kHeaderBytes, size);
  const uint64_t checksum = FromLittleEndian(bytes.substr(kHeaderBytes + size, 4));
  return Frame{payload, checksum == MaskedCrc(payload)};
}

std::string Serialize(const Event& event) { return event.SerializeAsString(); }

Event NewEvent(int64_t step, absl::Time time) {
  Event event;
  event.set_wall_time(absl::ToDoubleSeconds(time - absl::UnixEpoch()));
  event.set_step(step);
  return event;
}

// A tag may have the name of a class in it, which may hold anything, and a record with text that is
// not UTF-8 could not be read again.
SummaryValue& AddValue(absl::string_view tag, Event& event) {
  SummaryValue& value = *event.mutable_summary()->add_value();
  value.set_tag(Printable(tag));
  return value;
}

struct EventHead {
  int64_t step = 0;
  bool is_version = false;
};

constexpr uint32_t kStepTag =
    WireFormatLite::MakeTag(Event::kStepFieldNumber, WireFormatLite::WIRETYPE_VARINT);
constexpr uint32_t kVersionTag = WireFormatLite::MakeTag(Event::kFileVersionFieldNumber,
                                                         WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
constexpr uint32_t kSummaryTag =
    WireFormatLite::MakeTag(Event::kSummaryFieldNumber, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);

// Without the values, which may take 40 times their bytes in memory; nullopt if it is not an event.
absl::optional<EventHead> ReadHead(absl::string_view payload) {
  CodedInputStream input(reinterpret_cast<const uint8_t*>(payload.data()),
                         static_cast<int>(payload.size()));
  EventHead head;
  while (const uint32_t tag = input.ReadTag()) {
    if (tag == kStepTag) {
      uint64_t step = 0;
      if (!input.ReadVarint64(&step)) return absl::nullopt;
      head.step = static_cast<int64_t>(step);
      continue;
    }
    if (tag == kVersionTag) head.is_version = true;
    if (tag == kSummaryTag) head.is_version = false;
    if (!WireFormatLite::SkipField(&input, tag)) return absl::nullopt;
  }
  if (!input.ConsumedEntireMessage()) return absl::nullopt;
  return head;
}

// Removes the next intact record from `rest`, with any damage before it; nullopt if there
// is none. A frame's length has a checksum of its own, so an intact frame is recognised
// wherever it begins, and one with a damaged payload is left out as a whole: looking for others
// in it would take time quadratic in the size of a malicious file.
absl::optional<absl::string_view> NextWholePayload(absl::string_view& rest) {
  while (rest.size() >= kFrameBytes) {
    const absl::optional<Frame> frame = FirstFrame(rest);
    rest.remove_prefix(frame.has_value() ? kFrameBytes + frame->payload.size() : 1);
    if (frame.has_value() && frame->is_intact) return frame->payload;
  }
  return absl::nullopt;
}

// The records before `first_step`; empty if nothing but the version is among them.
std::string KeptRecords(absl::string_view file, int64_t first_step) {
  std::string kept;
  bool has_values = false;
  absl::string_view rest = file;
  while (const absl::optional<absl::string_view> payload = NextWholePayload(rest)) {
    const absl::optional<EventHead> head = ReadHead(*payload);
    if (!head.has_value() || (!head->is_version && head->step >= first_step)) continue;
    has_values |= !head->is_version;
    absl::StrAppend(&kept, FrameRecord(*payload));
  }
  return has_values ? kept : "";
}

absl::Status CutFile(const std::string& path, int64_t first_step) {
  const absl::StatusOr<std::string> bytes = ReadSmallFile(path, kMaxBytes);
  if (absl::IsDataLoss(bytes.status())) {
    LOG(WARNING)
        << Printable(path)
        << " is too long to be read again, longer than 1 GiB, so it is left unchanged, and "
           "TensorBoard may show events twice";
    return absl::OkStatus();
  }
  RCNN_RETURN_IF_ERROR(bytes.status());
  const std::string kept = KeptRecords(*bytes, first_step);
  if (kept == *bytes && !kept.empty()) return absl::OkStatus();
  return kept.empty() ? RemovePath(path) : WriteFileAtomically(path, kept).status();
}

// With the first name that is free.
absl::StatusOr<AppendFile> CreateFile(const std::string& directory, absl::string_view label,
                                      absl::Time now) {
  // Makes names unique within a second and a process.
  static std::atomic<int> counter{0};
  for (;;) {
    const std::string path =
        absl::StrFormat("%s/%s%010d.%s.%d.%d.%s", directory, kPrefix, absl::ToUnixSeconds(now),
                        HostName("localhost"), getpid(), counter.fetch_add(1), label);
    absl::StatusOr<AppendFile> file = AppendFile::Create(path);
    if (!absl::IsAlreadyExists(file.status())) return file;
  }
}

void FillHistogram(absl::Span<const double> values, Histogram& histogram) {
  std::vector<double> finite;
  for (double value : values) {
    if (std::isfinite(value)) finite.push_back(value);
  }
  const auto [low, high] = std::minmax_element(finite.begin(), finite.end());
  const double min = finite.empty() ? 0 : *low;
  const double max = finite.empty() ? 0 : *high;
  const double width = max > min ? (max - min) / kHistogramBuckets : 1;
  std::vector<double> counts(kHistogramBuckets, 0);
  double sum = 0;
  double sum_squares = 0;
  for (double value : finite) {
    const int bucket = std::min(static_cast<int>((value - min) / width), kHistogramBuckets - 1);
    counts[bucket] += 1;
    sum += value;
    sum_squares += value * value;
  }
  histogram.set_min(min);
  histogram.set_max(max);
  histogram.set_num(static_cast<double>(finite.size()));
  histogram.set_sum(sum);
  histogram.set_sum_squares(sum_squares);
  for (int b = 0; b < kHistogramBuckets; ++b) {
    histogram.add_bucket_limit(min + width * (b + 1));
    histogram.add_bucket(counts[b]);
  }
}

}  // namespace

std::string FrameRecord(absl::string_view payload) {
  const std::string length = LittleEndian(payload.size(), 8);
  return absl::StrCat(length, LittleEndian(MaskedCrc(length), 4), payload,
                      LittleEndian(MaskedCrc(payload), 4));
}

absl::Status RemoveEvents(const std::string& directory, absl::string_view label,
                          int64_t first_step) {
  RCNN_ASSIGN_OR_RETURN(const bool is_there, PathExists(directory));
  if (!is_there) return absl::NotFoundError(absl::StrCat("missing directory: ", directory));
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(directory));
  const std::string ending = absl::StrCat(".", label);
  for (const std::string& name : names) {
    if (!absl::StartsWith(name, kPrefix) || !absl::EndsWith(name, ending)) continue;
    const std::string path = absl::StrCat(directory, "/", name);
    RCNN_ASSIGN_OR_RETURN(const bool is_file, IsRegularFile(path));
    if (is_file) RCNN_RETURN_IF_ERROR(CutFile(path, first_step));
  }
  return absl::OkStatus();
}

absl::StatusOr<EventFile> EventFile::Create(const std::string& directory, absl::string_view label,
                                            absl::Time now) {
  RCNN_ASSIGN_OR_RETURN(AppendFile file, CreateFile(directory, label, now));
  // Otherwise a power cut could lose the whole file, also after Sync().
  RCNN_RETURN_IF_ERROR(SyncDirectory(directory));
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
    AddValue(tag, event).set_simple_value(static_cast<float>(number));
  }
  return file_.Append(FrameRecord(Serialize(event)));
}

absl::Status EventFile::AddText(int64_t step, absl::Time time, absl::string_view tag,
                                absl::string_view text) {
  Event event = NewEvent(step, time);
  SummaryValue& value = AddValue(tag, event);
  value.mutable_metadata()->mutable_plugin_data()->set_plugin_name("text");
  value.mutable_tensor()->set_dtype(kStringType);
  value.mutable_tensor()->mutable_tensor_shape()->add_dim()->set_size(1);
  value.mutable_tensor()->add_string_val(std::string(text));
  return file_.Append(FrameRecord(Serialize(event)));
}

absl::Status EventFile::AddImage(int64_t step, absl::Time time, absl::string_view tag,
                                 int64_t height, int64_t width, absl::string_view file) {
  Event event = NewEvent(step, time);
  SummaryValue& value = AddValue(tag, event);
  value.mutable_image()->set_height(static_cast<int32_t>(height));
  value.mutable_image()->set_width(static_cast<int32_t>(width));
  value.mutable_image()->set_colorspace(kRgb);
  value.mutable_image()->set_encoded_image_string(std::string(file));
  return file_.Append(FrameRecord(Serialize(event)));
}

absl::Status EventFile::AddHistogram(int64_t step, absl::Time time, absl::string_view tag,
                                     absl::Span<const double> values) {
  Event event = NewEvent(step, time);
  SummaryValue& value = AddValue(tag, event);
  FillHistogram(values, *value.mutable_histo());
  return file_.Append(FrameRecord(Serialize(event)));
}

absl::Status EventFile::AddPrecisionRecall(int64_t step, absl::Time time, absl::string_view tag,
                                           const std::vector<ThresholdCounts>& thresholds) {
  Event event = NewEvent(step, time);
  SummaryValue& value = AddValue(tag, event);
  PrCurvePluginData content;
  content.set_num_thresholds(static_cast<uint32_t>(thresholds.size()));
  PluginData& plugin = *value.mutable_metadata()->mutable_plugin_data();
  plugin.set_plugin_name("pr_curves");
  plugin.set_content(content.SerializeAsString());
  TensorValue& tensor = *value.mutable_tensor();
  tensor.set_dtype(kFloatType);
  tensor.mutable_tensor_shape()->add_dim()->set_size(6);
  tensor.mutable_tensor_shape()->add_dim()->set_size(static_cast<int64_t>(thresholds.size()));
  // Rows: true and false positives, true and false negatives, precision, recall. A
  // detector has no true negatives.
  const auto add_row = [&](const std::function<double(const ThresholdCounts&)>& row) {
    for (const ThresholdCounts& counts : thresholds) {
      tensor.add_float_val(static_cast<float>(row(counts)));
    }
  };
  const auto ratio = [](double a, double b) { return b > 0 ? a / b : 0; };
  add_row([](const ThresholdCounts& c) { return c.true_positives; });
  add_row([](const ThresholdCounts& c) { return c.false_positives; });
  add_row([](const ThresholdCounts&) { return 0.0; });
  add_row([](const ThresholdCounts& c) { return c.false_negatives; });
  add_row([&](const ThresholdCounts& c) {
    return ratio(c.true_positives, c.true_positives + c.false_positives);
  });
  add_row([&](const ThresholdCounts& c) {
    return ratio(c.true_positives, c.true_positives + c.false_negatives);
  });
  return file_.Append(FrameRecord(Serialize(event)));
}

}  // namespace rcnn::training
