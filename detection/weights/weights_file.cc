#include "rcnn/detection/weights/weights_file.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/weights/caffemodel.h"
#include "rcnn/detection/weights/pth_reader.h"
#include "rcnn/detection/weights/pth_writer.h"
#include "rcnn/detection/weights/safetensors_state.h"

namespace rcnn::detection::weights {
namespace {

constexpr size_t kTarMagicAt = 257;

// A 64-bit length whose highest bytes are zero, then JSON. Any other length followed by
// JSON is a damaged file of this format rather than a file of another.
bool IsSafetensors(absl::string_view bytes) { return bytes.size() > 8 && bytes[8] == '{'; }

// Common unsupported files, and what to do about them.
absl::string_view Guess(absl::string_view bytes) {
  if (bytes.empty()) return "it is empty";
  if (absl::StartsWith(bytes, "\x89HDF")) return "it is HDF5 (Keras, or Caffe's .h5)";
  if (bytes.size() > kTarMagicAt && absl::StartsWith(bytes.substr(kTarMagicAt), "ustar")) {
    return "it is a tar file, as PyTorch before 0.1.2 wrote; load and save it with a newer one";
  }
  if (absl::StartsWith(bytes, "\x80")) return "it is a plain Python pickle, not from torch.save";
  if (absl::StartsWith(bytes, "\x1f\x8b")) return "it is gzipped; unpack it";
  if (absl::StartsWith(bytes, "version https://git-lfs")) return "it is a Git LFS pointer";
  if (absl::StartsWith(bytes, "<")) return "it is HTML or XML, perhaps a failed download";
  return "its first bytes match none of these";
}

absl::StatusOr<StateDict> ReadAs(WeightsFormat format, absl::string_view bytes,
                                 const std::shared_ptr<const void>& owner) {
  switch (format) {
    case WeightsFormat::kSafetensors:
      return ReadSafetensors(bytes, owner);
    case WeightsFormat::kTorchZip:
      return ReadTorchZip(bytes);
    case WeightsFormat::kTorchLegacy:
      return ReadTorchLegacy(bytes, owner);
    case WeightsFormat::kCaffeModel:
      return ReadCaffeModel(bytes);
  }
  return absl::InternalError("no such format");
}

}  // namespace

absl::string_view WeightsFormatName(WeightsFormat format) {
  static constexpr absl::string_view kNames[] = {"safetensors", "PyTorch zip", "PyTorch legacy",
                                                 "Caffe"};
  return kNames[static_cast<size_t>(format)];
}

absl::StatusOr<WeightsFormat> DetectWeightsFormat(absl::string_view bytes) {
  if (IsTorchZip(bytes)) return WeightsFormat::kTorchZip;
  if (IsTorchLegacy(bytes)) return WeightsFormat::kTorchLegacy;
  if (IsSafetensors(bytes)) return WeightsFormat::kSafetensors;
  if (MayBeCaffeModel(bytes)) return WeightsFormat::kCaffeModel;
  return absl::InvalidArgumentError(absl::StrCat(
      "is not a weights file (safetensors, PyTorch .pth, .caffemodel): ", Guess(bytes)));
}

absl::StatusOr<StateDict> ReadStateDict(absl::string_view bytes,
                                        const std::shared_ptr<const void>& owner) {
  RCNN_ASSIGN_OR_RETURN(const WeightsFormat format, DetectWeightsFormat(bytes));
  // Exhausted memory, for example, is thrown.
  absl::StatusOr<StateDict> state = CatchExceptions([&] { return ReadAs(format, bytes, owner); },
                                                    absl::StatusCode::kInvalidArgument);
  RCNN_RETURN_IF_ERROR(state.status(), WeightsFormatName(format));
  return state;
}

absl::StatusOr<StateDict> LoadStateDict(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::Open(path));
  const auto file = std::make_shared<const MappedFile>(std::move(mapped));
  absl::StatusOr<StateDict> state = ReadStateDict(file->bytes(), file);
  RCNN_RETURN_IF_ERROR(state.status(), path);
  state->SetFile(file);
  return state;
}

absl::Status SaveStateDict(const StateDict& state, const std::string& path) {
  if (absl::EndsWith(path, ".safetensors")) return WriteSafetensorsState(state, path);
  if (absl::EndsWith(path, ".pth") || absl::EndsWith(path, ".pt")) {
    return WriteTorchZip(state, path);
  }
  return absl::InvalidArgumentError(absl::StrCat(path,
                                                 " does not end in .safetensors, .pth or "
                                                 ".pt"));
}

}  // namespace rcnn::detection::weights
