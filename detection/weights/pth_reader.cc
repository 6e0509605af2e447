#include "rcnn/detection/weights/pth_reader.h"

#include <ATen/ops/empty.h>

#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/weights/borrowed_tensor.h"
#include "rcnn/detection/weights/pickle.h"
#include "rcnn/detection/weights/pickle_node.h"
#include "rcnn/detection/weights/torch_pickle.h"
#include "rcnn/detection/weights/zip_archive.h"

namespace rcnn::detection::weights {
namespace {

// The pickled integer 0x1950a86a20f9469cfc6c: LONG1, its length, its bytes, STOP.
constexpr absl::string_view kLegacyMagic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 13);
// A protocol and possibly a frame precede it.
constexpr size_t kLegacyMagicWithin = 32;
constexpr int64_t kLegacyProtocol = 1001;

// The bytes of a storage and what keeps them.
struct Storage {
  const void* data = nullptr;
  std::shared_ptr<const void> owner;
};

using Storages = std::map<std::string, Storage>;

absl::StatusOr<int64_t> StorageBytes(const PickledStorage& storage) {
  int64_t bytes = 0;
  if (__builtin_mul_overflow(storage.elements, static_cast<int64_t>(c10::elementSize(storage.type)),
                             &bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a storage of ", Counted(storage.elements, "element")));
  }
  return bytes;
}

// A storage of its own, aligned for every type.
Storage NewStorage(int64_t bytes) {
  auto memory = std::make_shared<at::Tensor>(at::empty({bytes}, at::kByte));
  const void* const data = memory->data_ptr();
  return {data, std::move(memory)};
}

absl::StatusOr<StateDict> Assemble(const PickledStateDict& pickled, const Storages& storages) {
  StateDict state;
  state.metadata() = pickled.metadata;
  for (const PickledTensor& tensor : pickled.tensors) {
    const auto found = storages.find(tensor.storage_key);
    if (found == storages.end()) {
      return absl::NotFoundError(absl::StrCat("tensor '", tensor.name, "': storage '",
                                              tensor.storage_key, "' is missing"));
    }
    const at::ScalarType type = tensor.storage.type;
    const char* const data = static_cast<const char*>(found->second.data) +
                             tensor.offset * static_cast<int64_t>(c10::elementSize(type));
    at::Tensor value =
        BorrowedTensor(data, tensor.sizes, tensor.strides, type, found->second.owner);
    if (!state.Add(tensor.name, std::move(value))) {
      return absl::InvalidArgumentError(absl::StrCat("tensor '", tensor.name, "' is a duplicate"));
    }
  }
  return state;
}

// "<root>/" of the record <root>/data.pkl.
absl::StatusOr<std::string> FindRoot(const ZipArchive& archive) {
  bool has_code = false;
  for (const auto& [name, size] : archive.sizes()) {
    absl::string_view root = name;
    has_code |= absl::EndsWith(name, "/constants.pkl");
    if (absl::ConsumeSuffix(&root, "/data.pkl") && !absl::StrContains(root, "/")) {
      if (!archive.Has(absl::StrCat(root, "/constants.pkl"))) {
        return absl::StrCat(root, "/");
      }
    }
  }
  return absl::InvalidArgumentError(has_code
                                        ? "is a TorchScript program; save its state_dict() instead"
                                        : "is a zip archive without data.pkl, so not from "
                                          "torch.save");
}

absl::Status CheckByteOrder(const ZipArchive& archive, const std::string& root) {
  const std::string name = root + "byteorder";
  if (!archive.Has(name)) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const std::string order, archive.Read(name));
  if (order == "little") return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("its byte order is '", order, "'"));
}

absl::StatusOr<Storages> ReadZipStorages(const ZipArchive& archive, const std::string& root,
                                         const PickledStateDict& pickled) {
  Storages storages;
  for (const PickledTensor& tensor : pickled.tensors) {
    Storage& storage = storages[tensor.storage_key];
    if (storage.owner != nullptr) continue;
    const std::string name = absl::StrCat(root, "data/", tensor.storage_key);
    RCNN_ASSIGN_OR_RETURN(const int64_t bytes, StorageBytes(tensor.storage));
    const std::string where = absl::StrCat("tensor '", tensor.name, "'");
    RCNN_ASSIGN_OR_RETURN(const int64_t size, archive.Size(name), where);
    if (size != bytes) {
      return absl::DataLossError(absl::StrCat(where, ": record '", name, "' has ",
                                              Counted(size, "byte"), " instead of ", bytes));
    }
    storage = NewStorage(bytes);
    RCNN_RETURN_IF_ERROR(archive.ReadInto(name, const_cast<void*>(storage.data), bytes));
  }
  return storages;
}

// Reads what follows the magic number, piece by piece.
class LegacyReader {
 public:
  LegacyReader(absl::string_view bytes, std::shared_ptr<const void> owner)
      : rest_(bytes), owner_(std::move(owner)) {}

  absl::StatusOr<StateDict> Read() {
    RCNN_RETURN_IF_ERROR(ReadHeader());
    RCNN_ASSIGN_OR_RETURN(const PickledStateDict pickled, ParseStateDictPickle(rest_));
    rest_.remove_prefix(pickled.size_bytes);
    RCNN_ASSIGN_OR_RETURN(const Pickle keys, NextPickle(), "list of storages");
    if (keys.root().kind != PickleKind::kList) {
      return absl::InvalidArgumentError("malformed: no list of storages");
    }
    for (const PickleNode* const key : keys.root().items) {
      RCNN_RETURN_IF_ERROR(ReadStorage(key->text, pickled),
                           absl::StrCat("storage '", key->text, "'"));
    }
    return Assemble(pickled, storages_);
  }

 private:
  absl::StatusOr<Pickle> NextPickle() {
    RCNN_ASSIGN_OR_RETURN(Pickle pickle, Pickle::Parse(rest_, PickleOptions()));
    rest_.remove_prefix(pickle.size_bytes());
    return pickle;
  }

  absl::Status ReadHeader() {
    rest_.remove_prefix(rest_.find(kLegacyMagic) + kLegacyMagic.size());
    RCNN_ASSIGN_OR_RETURN(const Pickle protocol, NextPickle(), "protocol");
    if (protocol.root().integer != kLegacyProtocol) {
      return absl::UnimplementedError(
          absl::StrCat("protocol ", protocol.root().integer, " of torch.save"));
    }
    RCNN_ASSIGN_OR_RETURN(const Pickle system, NextPickle(), "system");
    const PickleNode* const little = FindInDict(system.root(), "little_endian");
    if (little == nullptr || little->kind != PickleKind::kBool || little->integer != 1) {
      return absl::UnimplementedError("not written by a little-endian machine");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<absl::string_view> Take(int64_t size) {
    if (static_cast<uint64_t>(size) > rest_.size()) {
      return absl::DataLossError(
          absl::StrCat("needs ", Counted(size, "byte"), ", the file has ", rest_.size(), " more"));
    }
    const absl::string_view taken = rest_.substr(0, static_cast<size_t>(size));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  absl::Status ReadStorage(const std::string& key, const PickledStateDict& pickled) {
    const auto found = pickled.storages.find(key);
    if (found == pickled.storages.end()) return absl::InvalidArgumentError("belongs to no tensor");
    int64_t elements = 0;
    RCNN_ASSIGN_OR_RETURN(const absl::string_view count, Take(sizeof(elements)));
    std::memcpy(&elements, count.data(), sizeof(elements));
    if (elements != found->second.elements) {
      return absl::InvalidArgumentError(absl::StrCat("has ", Counted(elements, "element"),
                                                     " instead of ", found->second.elements));
    }
    RCNN_ASSIGN_OR_RETURN(const int64_t size, StorageBytes(found->second));
    RCNN_ASSIGN_OR_RETURN(const absl::string_view data, Take(size));
    if (!storages_.emplace(key, Keep(data, found->second.type)).second) {
      return absl::InvalidArgumentError("is a duplicate");
    }
    return absl::OkStatus();
  }

  Storage Keep(absl::string_view data, at::ScalarType type) const {
    if (IsAligned(data.data(), type)) return {data.data(), owner_};
    const Storage copy = NewStorage(static_cast<int64_t>(data.size()));
    // An empty storage has no address.
    if (!data.empty()) std::memcpy(const_cast<void*>(copy.data), data.data(), data.size());
    return copy;
  }

  absl::string_view rest_;
  const std::shared_ptr<const void> owner_;
  Storages storages_;
};

}  // namespace

bool IsTorchZip(absl::string_view bytes) { return absl::StartsWith(bytes, "PK\x03\x04"); }

bool IsTorchLegacy(absl::string_view bytes) {
  return absl::StartsWith(bytes, "\x80") &&
         absl::StrContains(bytes.substr(0, kLegacyMagicWithin), kLegacyMagic);
}

absl::StatusOr<StateDict> ReadTorchZip(absl::string_view bytes) {
  RCNN_ASSIGN_OR_RETURN(const ZipArchive archive, ZipArchive::Open(bytes));
  RCNN_ASSIGN_OR_RETURN(const std::string root, FindRoot(archive));
  RCNN_RETURN_IF_ERROR(CheckByteOrder(archive, root));
  RCNN_ASSIGN_OR_RETURN(const std::string pickle, archive.Read(root + "data.pkl"));
  RCNN_ASSIGN_OR_RETURN(const PickledStateDict pickled, ParseStateDictPickle(pickle, bytes.size()),
                        root + "data.pkl");
  RCNN_ASSIGN_OR_RETURN(const Storages storages, ReadZipStorages(archive, root, pickled));
  return Assemble(pickled, storages);
}

absl::StatusOr<StateDict> ReadTorchLegacy(absl::string_view bytes,
                                          const std::shared_ptr<const void>& owner) {
  return LegacyReader(bytes, owner).Read();
}

}  // namespace rcnn::detection::weights
